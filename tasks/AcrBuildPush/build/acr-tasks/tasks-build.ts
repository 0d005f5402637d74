import { randomUUID } from 'node:crypto';
import { sleep, throwIfCancelled, withGrace } from '../../../common/cancel';
import { describeError, TaskError } from '../../../common/errors';
import type { HttpClient } from '../../../common/http';
import { textIn } from '../../../common/json';
import type { Logger } from '../../../common/log';
import type { Shape, Shaped } from '../../../common/shape';
import { formatDuration } from '../../../common/text';
import type { AzureCall, RegistryResource, ResourceManager } from '../../azure/resource-manager';
import type { BuildPlan } from '../../build-plan';
import { explainRegistryError } from '../../registry/errors';
import { BuildOutput } from '../build-output';
import type { RemoteImage } from '../builder';
import { buildError } from '../failure';
import { addressIn, sendContext } from './send-context';
import { RemoteLog } from './tasks-log';

const TASKS_API = '2019-06-01-preview';

/** The first that takes an identity for the registry itself. */
const TASKS_API_WITH_IDENTITY = '2025-03-01-preview';

/** Milliseconds for the service to say that it has stopped a build. */
const CANCEL_LIMIT = 3_000;

/** Milliseconds between two looks at a build; longer while nothing happens. */
const SHORTEST_WAIT = 1_000;
const LONGEST_WAIT = 5_000;

const STATES_OF_END = ['Succeeded', 'Failed', 'Canceled', 'Error', 'Timeout'];

export interface TasksBuild {
  readonly plan: BuildPlan;
  readonly registry: RegistryResource;
  readonly loginServer: string;
  readonly repository: string;
  /** The tag that the service sets. */
  readonly tag: string;
  readonly push: boolean;
  /** The registry's own machines that build; undefined: those of the service. */
  readonly agentPool: string | undefined;
  /** Minutes that the build may take, from 5 to 480. */
  readonly buildMinutes: number;
  /** For the registries of base images. */
  readonly logins: readonly {
    readonly host: string;
    readonly username: string;
    readonly password: string;
  }[];
}

export interface TasksServices {
  readonly azure: ResourceManager;
  readonly http: Pick<HttpClient, 'send'>;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly sleep?: typeof sleep;
}

/**
 * Builds an image in the registry's own service: sends the context, has the build scheduled, shows its log as it
 * grows, and stops it with the step.
 *
 * @returns undefined where nothing was to be pushed
 */
export async function buildWithTasks(
  build: TasksBuild,
  services: TasksServices,
): Promise<RemoteImage | undefined> {
  const { azure, log, signal } = services;
  const { id: registry, isByRepository } = build.registry;
  const version = isByRepository ? TASKS_API_WITH_IDENTITY : TASKS_API;
  const call: Call = (method, path, purpose, options) =>
    azure.send(method, `${registry}${path}?api-version=${version}`, purpose, options);

  const dockerfile = `${randomUUID()}_Dockerfile`;
  const target = await call('POST', '/listBuildSourceUploadUrl', 'take a build context', {
    repeatable: true,
  });
  const source = textIn(target, 'relativePath', AZURE);
  await sendContext(build.plan, dockerfile, textIn(target, 'uploadUrl', AZURE), services);

  const body = runRequest(build, dockerfile, source);
  const scheduled = await withGrace(signal, (late) =>
    call('POST', '/scheduleRun', 'schedule a build', { body, signal: late }),
  );
  const id = textIn(scheduled, 'properties.runId', AZURE);
  const run = `/runs/${encodeURIComponent(id)}`;
  log.info(`Run ${id} of ${build.loginServer} builds the image.`);

  const cancel = async () => {
    await call('POST', `${run}/cancel`, 'stop a build', { signal: AbortSignal.timeout(CANCEL_LIMIT) });
  };
  try {
    throwIfCancelled(signal);
    const output = new BuildOutput('legacy', log);
    let isPushing = false;
    const take = (line: string) => {
      isPushing ||= PUSHING.test(line);
      output.read(line, 'stdout');
    };
    const state = await follow(call, run, take, services).finally(() => output.end());
    const digest = digestOf(state, build, output, isPushing);
    return digest === undefined ? undefined : { digest };
  } catch (error) {
    if (signal.aborted) {
      await cancel().catch((failure) =>
        log.warning(`The build may go on in Azure: ${describeError(failure)}`),
      );
    }
    throw error;
  }
}

type Call = <S extends Shape = 'object'>(
  method: 'GET' | 'POST',
  path: string,
  purpose: string,
  options?: AzureCall<S>,
) => Promise<Shaped<S>>;

/** Who answers, as messages begin. */
const AZURE = 'Azure';

/** The parts of a run that matter here. */
const RUN = {
  properties: {
    status: 'text',
    runErrorMessage: 'text',
    outputImages: [{ repository: 'text', tag: 'text', digest: 'text' }],
  },
} as const;

type RunState = NonNullable<Shaped<typeof RUN>['properties']>;

function runRequest(build: TasksBuild, dockerfile: string, source: string): object {
  const { plan, registry, repository, tag, push, agentPool, buildMinutes, logins } = build;
  const [os = 'linux', architecture = 'amd64', variant] = plan.platforms[0]?.split('/') ?? [];
  return {
    type: 'DockerBuildRequest',
    imageNames: [`${repository}:${tag}`],
    isPushEnabled: push,
    noCache: false,
    dockerFilePath: dockerfile,
    ...(plan.target && { target: plan.target }),
    arguments: Object.entries(plan.arguments).map(([name, value]) => ({ name, value, isSecret: false })),
    platform: { os: os[0]!.toUpperCase() + os.slice(1), architecture, ...(variant && { variant }) },
    ...(agentPool === undefined ? { agentConfiguration: { cpu: 2 } } : { agentPoolName: agentPool }),
    timeout: buildMinutes * 60,
    sourceLocation: source,
    credentials: {
      // Where rights are given by repository, a run has none of its own in the registry that it belongs to.
      sourceRegistry: registry.isByRepository ? { identity: '[caller]' } : { loginMode: 'Default' },
      ...(logins.length > 0 && {
        customRegistries: Object.fromEntries(
          logins.map(({ host, username, password }) => [
            host,
            { userName: { type: 'Opaque', value: username }, password: { type: 'Opaque', value: password } },
          ]),
        ),
      }),
    },
  };
}

/** Shows the log of a run as it grows, until the run has ended and all of its log is shown. */
async function follow(
  call: Call,
  run: string,
  onLine: (line: string) => void,
  { http, log, signal, sleep: wait = sleep }: TasksServices,
): Promise<RunState> {
  const link = await call('POST', `${run}/listLogSasUrl`, 'show the log of a build', { repeatable: true });
  const address = addressIn(textIn(link, 'logLink', AZURE), 'the log');
  const remote = new RemoteLog(address.href, http, log, onLine);
  let pause = SHORTEST_WAIT;
  for (;;) {
    const { grew, isComplete } = await remote.read();
    if (isComplete) break;
    pause = grew ? SHORTEST_WAIT : Math.min(pause * 1.5, LONGEST_WAIT);
    // A run that never got to its log has a state all the same.
    if (!grew && (await stateOf(call, run)).isOver) break;
    await wait(pause, signal);
  }
  await remote.read();
  remote.end();
  // The log is complete a moment before the run says that it is.
  for (;;) {
    const { state, isOver } = await stateOf(call, run);
    if (isOver) return state;
    await wait(SHORTEST_WAIT, signal);
  }
}

async function stateOf(call: Call, run: string): Promise<{ state: RunState; isOver: boolean }> {
  const answer = await call('GET', run, 'read the state of a build', { shape: RUN });
  const status = textIn(answer, 'properties.status', AZURE);
  return { state: answer.properties ?? {}, isOver: STATES_OF_END.includes(status) };
}

/** What the service's log has when all is built. */
const PUSHING = /^(?:\S+ \S+ )?Pushing image: |The push refers to repository/;

/** The digest of what was pushed; undefined where nothing was to be. */
function digestOf(
  state: RunState,
  build: TasksBuild,
  output: BuildOutput,
  isPushing: boolean,
): string | undefined {
  const { plan, repository, tag, push } = build;
  if (state.status === 'Timeout') {
    throw new TaskError(
      `The build in Azure took longer than ${formatDuration(build.buildMinutes * 60_000)}, and was stopped. Input 'buildTimeoutMinutes' may be up to 480.`,
    );
  }
  if (state.status !== 'Succeeded') {
    const words = [output.failure.dockerWords, ...output.failure.lastLines, state.runErrorMessage ?? ''];
    const failure = { ...output.failure, dockerWords: words.join('\n') };
    const address = /client with IP '([^']+)' is not allowed/.exec(failure.dockerWords)?.[1];
    if (address) {
      throw new TaskError(
        `The firewall of ${build.loginServer} does not let its own build service in, which came from ${address}. Build on an agent inside the network (input 'builder'), or allow the address (registry, Networking).`,
        { details: [state.runErrorMessage ?? ''].filter(Boolean) },
      );
    }
    if (isPushing) throw pushError(failure.dockerWords, build);
    throw buildError(failure, { plan, builder: 'legacy' }, `the run in Azure ended as ${state.status}`);
  }
  const image = state.outputImages?.find((one) => one.repository === repository && one.tag === tag);
  if (push && !image)
    throw new TaskError(
      `Azure built the image, but does not say that it pushed ${repository}:${tag}. See whether the registry has it, and run the step again.`,
    );
  return push ? textIn(image, 'digest', AZURE) : undefined;
}

/** Why the service did not push what it has built. */
function pushError(words: string, { registry, loginServer, repository }: TasksBuild): TaskError {
  const isRefused = /insufficient_scope|denied|unauthorized|authentication required/i.test(words);
  const reason = isRefused
    ? `${loginServer} does not let the build push there. ${
        registry.isByRepository
          ? 'The registry gives rights by repository, where AcrPush and Contributor count for nothing: give the identity of the service connection the role Container Registry Repository Writer.'
          : "Check that the registry's policies let its own build service push."
      }`
    : explainRegistryError(words, { host: loginServer, repository });
  return new TaskError(
    `Azure built the image, but could not push it to '${repository}': ${reason ?? 'what the service said stands above this message.'}`,
    { details: words.split('\n').filter(Boolean).slice(-5) },
  );
}
