import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type AgentOptions,
  type PipelineRecord,
  runPipeline,
  runSteps,
  type StepRecord,
} from '../../../../local/agent/agent';
import { ToyAgent } from '../toy-extension';
import { PROBE_TASKS } from './probe-tasks';
import { readVectors, titleOf, type Vector } from './vectors';

interface ExpectedStep {
  /** Display name; without it, the step in the same place. */
  readonly at?: string;
  readonly result?: string;
  /** Regular expressions that the log has, and that it lacks. */
  readonly has?: string[];
  readonly lacks?: string[];
  readonly issues?: [type: string, pattern: string][];
  readonly issueCount?: number;
  readonly outputs?: Record<string, string>;
  readonly progress?: number;
  readonly summaries?: number;
  readonly attachments?: number;
  /** Major version. */
  readonly node?: string;
}
interface ExpectedRun {
  /** What the refusal says. */
  readonly thrown?: string;
  /** Nothing may have run before the refusal. */
  readonly noMarker?: true;
  readonly result?: string;
  readonly jobs?: Record<string, string>;
  readonly steps?: (ExpectedStep | null)[];
  readonly order?: string[];
  readonly buildNumber?: string;
}
interface RunOptions {
  readonly files?: Record<string, string>;
  readonly environment?: Record<string, string>;
  readonly groups?: AgentOptions['variableGroups'];
  readonly variables?: Record<string, string>;
  readonly parameters?: Record<string, unknown>;
  readonly connections?: AgentOptions['serviceConnections'];
  readonly attempt?: number;
  readonly nodeVersion?: 20 | 24;
  /** The run is canceled when a line has this. */
  readonly cancelOn?: string;
}
interface SingleVector extends Vector {
  readonly yaml: string;
  readonly options?: RunOptions;
  readonly expect: ExpectedRun;
}
/** A step of a job that has many, each a vector. */
interface StepVector extends Vector {
  readonly step: string;
  readonly at?: string;
  /** Null for a step that only prepares others. */
  readonly expect: ExpectedStep | null;
}
interface Batch {
  readonly cat: string;
  readonly src: string;
  readonly head?: string;
  readonly indent?: string;
  readonly options?: RunOptions;
  readonly batch: StepVector[];
  /** What is expected of the whole run. */
  readonly also?: Vector & { readonly expect: ExpectedRun };
}
type Outcome = { readonly run: PipelineRecord } | { readonly refusal: string };

const agent = new ToyAgent(PROBE_TASKS);
const MARKER = join(agent.folder, 'ran-marker');

/** How many runs go on at once; most of them wait for something. */
const LANES = 6;

async function perform(yaml: string, given: RunOptions = {}): Promise<Outcome> {
  const folder = mkdtempSync(join(agent.folder, 'run-'));
  const sources = join(folder, 'sources');
  for (const [file, text] of Object.entries({ 'p.yml': yaml, ...given.files })) {
    mkdirSync(dirname(join(sources, file)), { recursive: true });
    writeFileSync(join(sources, file), text);
  }
  const cancel = new AbortController();
  const { cancelOn } = given;
  const options: AgentOptions = {
    vsix: agent.vsix,
    sources,
    workFolder: join(folder, 'work'),
    environment: {
      PATH: process.env.PATH,
      HOME: '/home/agent',
      AGENTENV: 'from-agent',
      ...given.environment,
    },
    ...(given.groups && { variableGroups: given.groups }),
    ...(given.variables && { variables: given.variables }),
    ...(given.parameters && { parameters: given.parameters }),
    ...(given.connections && { serviceConnections: given.connections }),
    ...(given.attempt && { attempt: given.attempt }),
    ...(given.nodeVersion && { nodeVersion: given.nodeVersion }),
    ...(cancelOn && { onLine: (line: string) => line.includes(cancelOn) && cancel.abort() }),
    signal: cancel.signal,
  };
  try {
    const isList = yaml.trimStart().startsWith('-');
    return { run: await (isList ? runSteps(yaml, options) : runPipeline('p.yml', options)) };
  } catch (error) {
    return { refusal: `${(error as Error).name}: ${(error as Error).message}` };
  }
}

/** The steps that vectors count: checking out is none of theirs. */
function stepsOf(run: PipelineRecord): StepRecord[] {
  return run.jobs.flatMap((job) => job.steps).filter(({ displayName }) => displayName !== 'Checkout');
}

function checkStep(step: StepRecord | undefined, expected: ExpectedStep): void {
  assert.ok(step, 'there is such a step');
  const log = step.log.join('\n');
  const same = (got: unknown, wanted: unknown) => wanted !== undefined && assert.deepEqual(got, wanted, log);
  same(step.result, expected.result);
  for (const pattern of expected.has ?? []) assert.match(log, new RegExp(pattern, 's'));
  for (const pattern of expected.lacks ?? []) assert.doesNotMatch(log, new RegExp(pattern, 's'));
  for (const [type, pattern] of expected.issues ?? []) {
    const isThere = step.issues.some(
      (one) => one.type === type && new RegExp(pattern, 's').test(one.message),
    );
    assert.ok(isThere, `${type} like ${pattern} in ${JSON.stringify(step.issues)}`);
  }
  same(step.issues.length, expected.issueCount);
  same(step.outputVariables, expected.outputs);
  same(step.percentComplete, expected.progress);
  same(step.summaries.length, expected.summaries);
  same(step.attachments.length, expected.attachments);
  same(step.nodeVersion?.split('.')[0], expected.node);
}

function checkRun(outcome: Outcome, expected: ExpectedRun): void {
  if (expected.thrown !== undefined) {
    assert.ok('refusal' in outcome, 'it is refused');
    assert.match(outcome.refusal, new RegExp(expected.thrown, 's'));
    if (expected.noMarker) assert.ok(!existsSync(MARKER), 'nothing has run');
    return;
  }
  assert.ok('run' in outcome, 'refusal' in outcome ? outcome.refusal : '');
  const { run } = outcome;
  if (expected.result) assert.equal(run.result, expected.result);
  for (const [name, result] of Object.entries(expected.jobs ?? {})) {
    assert.equal(run.jobs.find((job) => job.name === name)?.result, result, name);
  }
  const steps = stepsOf(run);
  expected.steps?.forEach((one, index) => {
    if (one) checkStep(one.at ? steps.find(({ displayName }) => displayName === one.at) : steps[index], one);
  });
  if (expected.order)
    assert.deepEqual(
      steps.map(({ displayName }) => displayName),
      expected.order,
    );
  if (expected.buildNumber) assert.equal(run.buildNumber, expected.buildNumber);
}

function yamlOf({ head = 'steps:\n', indent = '', batch }: Batch): string {
  return `${head}${batch.map(({ step }) => step.replace(/^/gm, indent)).join('\n')}\n`;
}

describe('A run goes as it goes on the real agent', function () {
  this.timeout(180_000);
  const all = readVectors<Batch | SingleVector>('run.json');
  const outcomes = new Map<Batch | SingleVector, Outcome>();

  before(async () => {
    const waiting = [...all];
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const yaml = ('batch' in next ? yamlOf(next) : next.yaml).replaceAll('@MARKER@', MARKER);
        outcomes.set(next, await perform(yaml, next.options));
      }
    };
    await Promise.all(Array.from({ length: LANES }, work));
  });
  after(() => rmSync(agent.folder, { recursive: true, force: true }));

  for (const vector of all) {
    if (!('batch' in vector)) {
      it(`${vector.cat}, ${titleOf(vector)}`, () => checkRun(outcomes.get(vector)!, vector.expect));
      continue;
    }
    vector.batch.forEach((one, index) => {
      const { expect } = one;
      if (!expect) return;
      it(`${vector.cat}, ${titleOf({ ...one, src: one.src ?? vector.src })}`, () => {
        const outcome = outcomes.get(vector)!;
        assert.ok('run' in outcome, 'refusal' in outcome ? outcome.refusal : '');
        const steps = stepsOf(outcome.run);
        checkStep(one.at === undefined ? steps[index] : steps.find((s) => s.displayName === one.at), expect);
      });
    });
    const { also } = vector;
    if (also) it(`${vector.cat}, ${also.id}`, () => checkRun(outcomes.get(vector)!, also.expect));
  }
});
