import assert from 'node:assert/strict';
import type { Fault } from '../../local/databricks/server';
import type { DevOpsFault } from './azure-devops/organization';
import { startWorld, type World, type WorldOptions } from './set-up-world';

/** All that a whole set-up has in the end, in an order of its own. */
export function inventory({ devOps, account, workspace }: World) {
  const { endpoints, groups, environments, checks, definitions, permits } = devOps.organization;
  return {
    endpoints: [...endpoints.values()].map(({ name }) => name),
    groups: [...groups.values()].map(({ name }) => name),
    environments: [...environments.values()].map(({ name }) => name),
    checks: checks.size,
    definitions: [...definitions.values()].map(({ name }) => name).sort(),
    permits: [...permits.values()].map((pipelines) => pipelines.size),
    credentials: account.credentials.length,
    files: [...workspace.catalog.files.keys()].sort(),
  };
}

export const WHOLE = {
  endpoints: ['model-pipelines'],
  groups: ['shared-variables'],
  environments: ['models'],
  checks: 1,
  definitions: ['batcomputer', 'deploy-batcomputer', 'deploy-titanic', 'titanic'],
  permits: [4, 4, 4],
  credentials: 1,
  files: ['/Volumes/main/default/data/batcomputer.csv', '/Volumes/main/default/data/titanic.csv'],
};

export const NOTHING = {
  endpoints: [],
  groups: [],
  environments: [],
  checks: 0,
  definitions: [],
  permits: [0, 0, 0],
  credentials: 0,
  files: [],
};

/** Names of the jobs of a workspace. */
export async function jobsOf(world: World): Promise<string[]> {
  const { jobs = [] } = (await world.ask('/api/2.2/jobs/list')) as unknown as {
    jobs?: { settings: { name: string } }[];
  };
  return jobs.map(({ settings }) => settings.name).sort();
}

export const JOBS = ['train-batcomputer-model', 'train-titanic-model'];

/** What a test does with a world of its own, which ends with the test. */
export interface SetUpSteps {
  readonly world: World;
  begin(options?: WorldOptions): Promise<World>;
  /** Runs it; whatever it says, it must say no token. */
  setUp(...options: string[]): Promise<{ exitCode: number; output: string }>;
  /** Runs it with --apply, which must succeed; returns what it says. */
  applied(...options: string[]): Promise<string>;
  /** Lets something happen to the requests of both services, each told as `POST /path`. */
  spoil(decide: (line: string) => (Fault & DevOpsFault) | undefined): void;
}

/** For the tests of a `describe`: no test leaves anything, and in none a token is in an argument. */
export function setUpSteps(): SetUpSteps {
  let world: World;
  afterEach(async () => {
    const commands = world.account.commands.flat();
    for (const secret of world.secrets)
      assert.ok(!commands.some((word) => word.includes(secret)), 'a token in argv');
    await world.stop();
  });
  const steps: SetUpSteps = {
    get world() {
      return world;
    },
    async begin(options) {
      world = await startWorld(options);
      return world;
    },
    async setUp(...options) {
      const { exitCode, output } = await world.setUp(...options);
      for (const secret of world.secrets) assert.ok(!output.includes(secret), 'a token in the output');
      assert.doesNotMatch(output, /Traceback/);
      return { exitCode: exitCode ?? -1, output };
    },
    async applied(...options) {
      const { exitCode, output } = await steps.setUp('--apply', ...options);
      assert.equal(exitCode, 0, output);
      return output;
    },
    spoil(decide) {
      world.workspace.intercept(({ method, path }) => decide(`${method} ${path}`));
      world.devOps.intercept(({ method, path }) => decide(`${method} ${path}`));
    },
  };
  return steps;
}
