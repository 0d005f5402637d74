import assert from 'node:assert/strict';
import { CancelledError, TaskError } from '../../tasks/common/errors';
import { forgetSecrets } from '../../tasks/common/secrets';
import { FAULTS, INJECTION } from './matrix/faults';
import { type Fault, Relay } from './matrix/relay';
import type { Ending, Story } from './matrix/step';
import { STORIES } from './matrix/stories';
import { skipWaits, waitAgain, withWaits } from './matrix/time';

/**
 * Every kind of request of every task meets every fault, once and for good. Whatever happens, a step ends, does nothing
 * twice, and says what it was in words that its own code chose; it shows no secret, obeys nobody, sends credentials to
 * nobody else, and what passes does not fail it.
 *
 * `npm test` takes a part of the cells, by a seed of the day that it prints (`FAULT_SEED` sets it); `npm run test:faults:matrix` all of
 * them, some slices at once. `FAULT_ONLY` is a pattern of cells' names.
 */
const PART = 40;
const LANES = 4;
/**
 * After so many cells, a process forgets their secrets: each text is searched for all of them. Who waits for silence to end
 * takes no processor, so that all cells of a batch do so at once.
 */
const BATCH = 24;
/** `3/40`: the third of forty parts of all cells. */
const SLICE = process.env.FAULT_SLICE?.split('/').map(Number);
const SEED = Number(process.env.FAULT_SEED ?? Math.floor(Date.now() / 86_400_000));

/** How often a request goes wrong. */
const TIMES = { once: 1, always: Number.POSITIVE_INFINITY };

/** Cells that have failed before: they are in every part. */
const FOUND = [
  'DatabricksRunJob | POST /api/2.2/jobs/create | HTTP 429 | always',
  'DatabricksRunJob | POST /api/2.2/jobs/runs/repair | HTTP 429 | always',
  'ModelRegistryDownload | GET /teststorage/titanic list | nothing as the answer | always',
];

interface Cell {
  readonly story: Story;
  readonly title: string;
  readonly kind: string;
  readonly fault: Fault;
  readonly times: keyof typeof TIMES;
}

/** Numbers that look random, the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Messages that tell what a program met and not what a person may do. */
const GIBBERISH =
  /undefined|\bNaN\b|\[object|TypeError|SyntaxError|RangeError|Cannot read|not a function|not iterable|Unexpected (token|end)|is not valid JSON|Invalid URL|Maximum call stack/;

/** Commands that tasks give; of those that would change something, foreign texts must give none. */
const COMMANDS =
  /##vso\[(?!task\.(debug|logissue|setprogress|setvariable variable=(?!injected)|complete result=Failed))/;

/** What a step may have printed beside debug lines; a few words for each thing that is said once. */
const MOST_LINES = 90;

/** An upload that was begun in advance is dropped where nothing needed it, which is a matter of moments. */
const BY_CHANCE = new Set(['DELETE /v2/titanic-model-api/blobs/uploads/<id>']);

/**
 * Where an object without members is a whole answer: a notebook returned nothing, a folder holds nothing. Of the latter a
 * step warns.
 */
const MAY_BE_EMPTY = /runs\/get-output|fs\/directories\//;
const EMPTY = ['an empty object as the answer', 'an object of null as the answer'];

/** More requests of one kind than these are an attack; half an hour of looks at a run takes 180. */
const MOST_REQUESTS = 250;

function problems(
  { fault, times, kind }: Cell,
  ending: Ending,
  relay: Relay,
  secrets: readonly string[],
): string[] {
  const { outcome, error, output, effect } = ending;
  const message = error instanceof Error ? error.message : String(error);
  const shown = output.split('\n').filter((line) => !line.startsWith('##vso[task.debug]'));
  const isEmpty = EMPTY.includes(fault.name) && MAY_BE_EMPTY.test(kind);
  return [
    ...(isEmpty ? [] : effect),
    ...(error !== undefined && !(error instanceof TaskError) && !(error instanceof CancelledError)
      ? [`unknown error: ${error instanceof Error ? error.stack : error}`]
      : []),
    ...(error !== undefined && GIBBERISH.test(message) ? [`gibberish: ${message}`] : []),
    ...(fault.passes && times === 'once' && !outcome ? [`did not come through: ${message}`] : []),
    ...secrets.filter((secret) => output.includes(secret)).map((secret) => `shows ${secret}`),
    ...(COMMANDS.test(output) ? [`gives an order: ${COMMANDS.exec(output)![0]}`] : []),
    ...(output.includes(INJECTION.split('\n')[0]!) ? ['obeys'] : []),
    ...(!isFirstRealm(fault, kind, output) &&
    relay.strays.some(({ authorization, cookie }) => authorization ?? cookie)
      ? ['credentials went elsewhere']
      : []),
    ...(shown.length > MOST_LINES ? [`${shown.length} lines`] : []),
    ...((relay.counts.get(kind) ?? 0) > MOST_REQUESTS ? [`${relay.counts.get(kind)} requests`] : []),
  ];
}

/**
 * Whether a registry that is not Azure's named its realm when it was first asked. It may name another host then, which the
 * log tells, and none afterwards.
 */
function isFirstRealm({ name }: Fault, kind: string, output: string): boolean {
  return (
    name === 'a realm elsewhere' &&
    kind === 'GET /v2/' &&
    output.includes('where the credentials go for tokens')
  );
}

async function play({
  story,
  kind,
  fault,
  times,
}: Cell): Promise<{ problems: string[]; reached: boolean; ending: Ending; waited: number }> {
  const stage = await story();
  const relay = await Relay.start(stage, fault, (one, count) => {
    return one === kind && count <= TIMES[times];
  });
  try {
    const { value: ending, waited } = await withWaits(() => inTime(stage.run(relay)));
    return {
      problems: problems({ story, title: '', kind, fault, times }, ending, relay, stage.secrets),
      reached: relay.counts.has(kind),
      ending,
      waited,
    };
  } finally {
    await relay.stop();
    await stage.stop();
  }
}

/** Milliseconds for a step, whose waits take none, on a machine that does much else. */
const LONGEST_STEP = 900_000;

/** A step that does not end has failed, too. */
async function inTime(step: Promise<Ending>): Promise<Ending> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Ending>((resolve) => {
    timer = setTimeout(
      () => resolve({ outcome: undefined, error: undefined, output: '', effect: ['did not end'] }),
      LONGEST_STEP,
    );
  });
  try {
    return await Promise.race([step, late]);
  } finally {
    clearTimeout(timer);
  }
}

describe('the matrix of faults', function () {
  this.timeout(0);
  const cells: Cell[] = [];

  before(async () => {
    skipWaits();
    const seen = new Set<string>();
    for (const [title, story] of Object.entries(STORIES)) {
      const stage = await story();
      const relay = await Relay.start(stage);
      const ending = await stage.run(relay);
      assert.ok(ending.outcome, `${title}: ${ending.output}`);
      assert.deepEqual(ending.effect, []);
      for (const kind of relay.counts.keys()) {
        const task = title.split(' ')[0]!;
        // Of the same request in two stories, one is enough.
        if (seen.has(`${task} ${kind}`)) continue;
        seen.add(`${task} ${kind}`);
        for (const fault of FAULTS) {
          for (const times of ['once', 'always'] as const) cells.push({ story, title, kind, fault, times });
        }
      }
      await relay.stop();
      await stage.stop();
    }
  });

  after(waitAgain);

  it('has a cell for every fault of every request', () => {
    const kinds = new Set(cells.map(({ title, kind }) => `${title} ${kind}`));
    console.log(
      `      ${cells.length} cells: ${kinds.size} kinds of requests, ${FAULTS.length} faults, once and always`,
    );
    assert.ok(cells.length >= 1_200);
  });

  it('is survived, or told in plain words', async () => {
    const random = randomNumbers(SEED);
    const shuffled = cells
      .map((cell) => ({ cell, rank: random() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ cell }) => cell);
    const [part, parts = 1] = SLICE ?? [];
    const only = process.env.FAULT_ONLY;
    const wanted = only
      ? cells.filter((cell) => new RegExp(only).test(nameOf(cell)))
      : shuffled.filter((cell, at) =>
          part === undefined ? at < PART || FOUND.includes(nameOf(cell)) : at % parts === part - 1,
        );
    const failures: string[] = [];
    let survived = 0;
    let slowest = { cell: 'none', waited: 0 };
    const meet = async (cell: Cell) => {
      const { problems: found, reached, ending, waited } = await play(cell);
      if (!reached && !BY_CHANCE.has(cell.kind)) found.push('was not reached');
      if (ending.outcome) survived += 1;
      else if (waited >= slowest.waited) slowest = { cell: nameOf(cell), waited };
      if (found.length > 0) failures.push(`${nameOf(cell)}:\n    ${found.join('\n    ')}`);
      if (only) console.log(nameOf(cell), ending.outcome ?? ending.error, ending.output);
    };
    for (const isSilent of [false, true]) {
      const cells = wanted.filter(({ fault }) => fault.isSilent === isSilent);
      for (let at = 0; at < cells.length; at += BATCH) {
        const queue = cells.slice(at, at + BATCH);
        const lanes = Array.from({ length: isSilent ? BATCH : LANES }, async () => {
          for (let cell = queue.shift(); cell; cell = queue.shift()) await meet(cell);
        });
        await Promise.all(lanes);
        forgetSecrets();
      }
    }
    console.log(
      `      ${wanted.length} cells, seed ${SEED}: ${survived} survived, ${wanted.length - survived} told`,
    );
    console.log(`      slowest failure: ${Math.round(slowest.waited / 1000)} s of waits, ${slowest.cell}`);
    assert.equal(failures.length, 0, `${failures.length} cells:\n${failures.join('\n')}`);
  });
});

function nameOf({ title, kind, fault, times }: Cell): string {
  return `${title.split(' ')[0]} | ${kind} | ${fault.name} | ${times}`;
}
