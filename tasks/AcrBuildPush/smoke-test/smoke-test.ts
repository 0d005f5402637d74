import { sleep } from '../../common/cancel';
import { CancelledError, describeError, TaskError } from '../../common/errors';
import { HttpClient } from '../../common/http';
import type { Logger } from '../../common/log';
import { ONE_TRY } from '../../common/retry';
import { formatDuration } from '../../common/text';
import { DockerCli, NoEngineError } from '../docker/cli';
import {
  addressesOf,
  endOf,
  exposedPorts,
  lastLines,
  newContainerName,
  removeContainer,
  startContainer,
} from '../docker/container';
import { findEngine } from '../docker/engine';
import { dockerEnvironment } from '../docker/environment';
import type { DockerRequest } from '../docker/install';
import { pullImage } from '../docker/pull';
import type { SmokeCheck } from '../smoke-checks';
import { findFault } from './answer';

export interface SmokeTestOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The environment of a docker that is signed in to the registry. */
  readonly env: NodeJS.ProcessEnv;
  /** The docker client that the step asks for; undefined: the agent's own. */
  readonly client: DockerRequest | undefined;
  /** Told the name of a container before it is there. */
  readonly onContainer: (name: string) => void;
  readonly renewCredentials?: () => Promise<boolean>;
  /** Milliseconds for which a container may get ready. */
  readonly startLimit?: number;
}

/** Milliseconds that a container has to get ready: a large model takes its time to load. */
const START_LIMIT = 5 * 60_000;

/** Milliseconds for one answer. */
const ANSWER_LIMIT = 60_000;

/** Milliseconds between two tries, which grow. */
const SHORTEST_WAIT = 200;
const LONGEST_WAIT = 2_000;

/** What a server says that is not ready yet. */
const NOT_READY = new Set([502, 503, 504]);

/** Asks a container of an image what its users will ask it, before a tag names the image. */
export class SmokeTest {
  private docker: DockerCli | undefined;
  private isDone = false;

  constructor(
    private readonly checks: readonly SmokeCheck[],
    private readonly options: SmokeTestOptions,
  ) {}

  /** Whether there is something to ask, and nobody has asked it yet. */
  get isDue(): boolean {
    return this.checks.length > 0 && !this.isDone;
  }

  /**
   * Finds an engine to run the image in.
   *
   * @throws NoEngineError where none answers, before anything is built
   */
  async prepare(): Promise<void> {
    if (!this.isDue) return;
    const { client, ...options } = this.options;
    const env = await dockerEnvironment(client, options.env, options);
    const docker = new DockerCli({ ...options, env });
    try {
      await findEngine(docker, env);
    } catch (error) {
      if (!(error instanceof NoEngineError)) throw error;
      // No builder that does without one may take its place.
      throw new TaskError(
        `${error.message} Input 'smokeTest' needs an engine to run the image in; leave it empty where there is none.`,
        { details: error.details, cause: error },
      );
    }
    this.docker = docker;
  }

  /**
   * Tests the image of the step, once.
   *
   * @param image as the engine knows it, or by a digest where it has to be pulled
   * @throws TaskError that says what is not as expected, with the container's last lines as details
   */
  async run(image: string): Promise<void> {
    const { docker } = this;
    if (!docker || !this.isDue) return;
    this.isDone = true;
    const isPulled = image.includes('@') && (await pullImage(docker, image, this.options));
    const name = newContainerName();
    this.options.onContainer(name);
    try {
      const exposed = await exposedPorts(docker, image);
      const ports = this.checks.map((check) => check.port ?? onlyPort(exposed));
      await startContainer(docker, name, image, [...new Set(ports)]);
      await this.ask(docker, name, ports);
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      const said = await lastLines(docker, name).catch(() => []);
      throw new TaskError(describeError(error), {
        details: [...(error instanceof TaskError ? error.details : []), ...said],
        cause: error,
      });
    } finally {
      await this.cleanUp(docker, name, isPulled ? image : undefined);
    }
  }

  private async ask(docker: DockerCli, name: string, ports: readonly number[]): Promise<void> {
    const { log, signal, startLimit = START_LIMIT } = this.options;
    const network = { proxyFor: () => undefined, tls: {} };
    const http = new HttpClient({ log, signal, network, userAgent: 'AcrBuildPush', retry: ONE_TRY });
    const end = performance.now() + startLimit;
    try {
      for (const [index, check] of this.checks.entries()) {
        await this.askUntilReady({ docker, name, port: ports[index]!, http, end }, check);
      }
    } finally {
      http.close();
    }
  }

  /** Asks until the container is ready, has ended, or has had its time. */
  private async askUntilReady({ docker, name, port, http, end }: Asked, check: SmokeCheck): Promise<void> {
    const { log, signal, startLimit = START_LIMIT } = this.options;
    let wait = SHORTEST_WAIT;
    for (;;) {
      let problem = 'no answer came';
      for (const address of await addressesOf(docker, name, port)) {
        const begun = performance.now();
        const answer = await send(http, address, check).catch((error: unknown) => {
          if (error instanceof CancelledError) throw error;
          problem = describeError(error);
          if (isTooMuch(error)) throw new TaskError(failure(check, problem));
        });
        if (!answer) continue;
        const fault = findFault(check, answer);
        if (!fault) {
          log.info(
            `Smoke test: ${check.title} answered ${check.status} in ${formatDuration(performance.now() - begun)}.`,
          );
          return;
        }
        problem = `it ${fault}`;
        if (!NOT_READY.has(answer.status)) throw new TaskError(failure(check, problem));
        break;
      }
      const ended = await endOf(docker, name);
      if (ended) throw new TaskError(failure(check, `the container does not run: ${ended}`));
      if (performance.now() > end) {
        throw new TaskError(
          failure(check, `the container was not ready within ${formatDuration(startLimit)}: ${problem}`),
        );
      }
      await sleep(wait, signal);
      wait = Math.min(wait * 1.5, LONGEST_WAIT);
    }
  }

  /** Also when the step is cancelled: nothing of it may go on running. */
  private async cleanUp(own: DockerCli, name: string, pulled: string | undefined): Promise<void> {
    const docker = own.lasting();
    try {
      await removeContainer(docker, name);
      if (pulled) await docker.capture(['image', 'rm', pulled], ANSWER_LIMIT);
    } catch (error) {
      this.options.log.warning(`The container ${name} may still be there: ${describeError(error)}`);
    }
  }
}

/** Whom a check is asked. */
interface Asked {
  readonly docker: DockerCli;
  /** The container's. */
  readonly name: string;
  readonly port: number;
  readonly http: HttpClient;
  /** When the container must be ready, on the clock of `performance`. */
  readonly end: number;
}

function send(http: HttpClient, address: string, { method, path, body }: SmokeCheck) {
  return http.send({
    method,
    url: `http://${address}${path}`,
    ...(body !== undefined && { body, headers: { 'Content-Type': 'application/json' } }),
    idleTimeout: ANSWER_LIMIT,
    // Models answer with pictures and sounds as well.
    answer: 'blob',
  });
}

/** Whether a server answered, with more than is read; to ask it again would be in vain. */
function isTooMuch(error: unknown): boolean {
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  return /^ERR_TOO_/.test(code ?? '');
}

function failure({ title }: SmokeCheck, problem: string): string {
  return `The smoke test failed at ${title}: ${problem.replace(/\.$/, '')}. No tag was set. The container's last lines stand above this message.`;
}

/** The port to ask where a line names none. */
function onlyPort(exposed: readonly number[]): number {
  const [port, ...others] = exposed;
  if (port !== undefined && others.length === 0) return port;
  const what = port === undefined ? 'no port' : `the ports ${exposed.join(', ')}`;
  throw new TaskError(
    `The smoke test can't tell which port to ask, since the image exposes ${what}. Write it in input 'smokeTest', such as GET :8000/api/health 200, or have one EXPOSE line in the Dockerfile. No tag was set.`,
  );
}
