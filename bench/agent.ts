/*
 * What the local agent adds to the tasks that it runs: `npx tsx bench/agent.ts [rounds]`. Prints medians, with the least
 * and the most, beside what each is meant to be: 50 ms a step over the task's own process, 100 steps within 100 times
 * one, and 200,000 lines a second of a log of a million lines with 20 secrets.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PipelineRecord, VariableGroups } from '../local/agent/agent';
import { jsStep, jsTask, ToyAgent } from '../test/unit/agent/toy-extension';
import { median, printTable } from './measure';

const ROUNDS = Number(process.argv[2] ?? 3);
const STEPS = 100;
const LINES = 1_000_000;
const SECRETS = Array.from({ length: 20 }, (_, index) => `secret-number-${index}-of-this-run`);

const agent = new ToyAgent([jsTask]);
try {
  // The first run lays out what later ones find.
  await runSteps(1);
  const [one, many, bare, log]: number[][] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    one!.push(await timeOf(() => runSteps(1)));
    many!.push(await timeOf(() => runSteps(STEPS)));
    bare!.push(await timeOf(bareProcess));
    log!.push(await timeOf(runLog));
  }
  const added = many!.map((time, round) => (time - one![round]!) / (STEPS - 1) - bare![round]!);
  const row = (what: string, values: readonly number[], unit: string, goal: string) => [
    what,
    ...[median(values), Math.min(...values), Math.max(...values)].map((value) => `${number(value)} ${unit}`),
    goal,
  ];
  printTable(
    `The local agent, ${ROUNDS} rounds`,
    ['', 'median', 'least', 'most', 'meant to be'],
    [
      row('a process of Node that does nothing', bare!, 'ms', ''),
      row('a run of one step', one!, 'ms', ''),
      row(`a run of ${STEPS} steps`, many!, 'ms', ''),
      row('added to a process by its step', added, 'ms', 'at most 50 ms'),
      row(
        `${STEPS} steps, in runs of one`,
        many!.map((time, round) => time / one![round]!),
        '×',
        `at most ${STEPS} ×`,
      ),
      row(
        'lines a second',
        log!.map((time) => LINES / (time / 1000)),
        '/s',
        'at least 200,000 /s',
      ),
    ],
  );
} finally {
  agent.remove();
}

async function timeOf(work: () => Promise<unknown> | undefined): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function runSteps(count: number): Promise<PipelineRecord> {
  return checked(`steps:\n- checkout: none\n${jsStep('0').repeat(count)}`);
}

/** What a step's task would take without the agent. */
function bareProcess(): undefined {
  const { status } = spawnSync(process.execPath, ['-e', '0']);
  if (status !== 0) throw new Error('Node does not run.');
}

function runLog(): Promise<PipelineRecord> {
  const file = join(agent.sources, 'print.cjs');
  writeFileSync(
    file,
    `const lines = Array.from({ length: 1000 }, (_, n) => n % 10 ? 'line ' + n + ' of a log, as long as most are' : 'with ' + process.argv[2 + (n / 10) % 20]).join('\\n') + '\\n';
let left = ${LINES / 1000};
(function print() { if (left-- > 0) process.stdout.write(lines, print); })();
`,
  );
  const names = SECRETS.map((_, index) => `"$(s${index})"`).join(' ');
  const group = Object.fromEntries(
    SECRETS.map((value, index) => [`s${index}`, { value, isSecret: true as const }]),
  );
  return checked(
    `variables: [ { group: g } ]\nsteps:\n- checkout: none\n- bash: '"${process.execPath}" "${file}" ${names}'\n`,
    { g: group },
  );
}

async function checked(yaml: string, variableGroups: VariableGroups = {}): Promise<PipelineRecord> {
  const run = await agent.runSteps(yaml, { variableGroups });
  if (run.result !== 'Succeeded')
    throw new Error(JSON.stringify(run.jobs[0]?.steps.map(({ issues }) => issues)));
  return run;
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}
