import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import { PASSWORD, startDockerRegistry, USERNAME, writeDockerLogin } from './docker-registry';
import { removeBuilt } from './engine-builds';
import { runStep, type StepOptions } from './extension';
import { importBaseImage } from './shell-image';
import { skip, skipWithout } from './skip';

/**
 * For the tests of a suite: a Docker engine that has a base image, a docker-registry, and steps of AcrBuildPush with
 * both. Skips the suite where there is no engine, and takes everything away again after it.
 */
export function useEngine() {
  const run = randomUUID();
  const folder = mkdtempSync(join(tmpdir(), 'acr-build-push-'));
  const sources = join(folder, 'sources');
  const base = `model-pipelines-test-base:${run}`;
  let server: ChildProcess | undefined;
  let host: string;
  const login = join(folder, 'login');

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    skipWithout(this, 'docker-registry');
    mkdirSync(sources);
    importBaseImage(base, ['/usr/bin/head']);
    [server, host] = await startDockerRegistry(join(folder, 'registry'));
    writeDockerLogin(login, host);
  });

  after(async () => {
    if (server) {
      server.kill();
      await once(server, 'exit');
      removeBuilt('docker', `test-run=${run}`);
      execFileSync('docker', ['image', 'rm', '--force', base], { stdio: 'ignore' });
    }
    rmSync(folder, { recursive: true, force: true });
  });

  /**
   * Runs the task on a Dockerfile with these lines, in the folder `api` of the sources.
   *
   * @param more inputs beside those below, or in place of them
   */
  function step(
    lines: readonly string[],
    more: Record<string, string> = {},
    options: Pick<StepOptions, 'environment' | 'serviceConnections'> = {},
  ) {
    const api = join(sources, 'api');
    mkdirSync(api, { recursive: true });
    writeFileSync(join(api, 'Dockerfile'), lines.join('\n'));
    writeFileSync(join(api, 'model.pkl'), 'a model');
    writeFileSync(join(api, 'left-out.pkl'), 'not for the image');
    writeFileSync(join(api, '.dockerignore'), '.dockerignore\nleft-out.pkl\n');
    return runStep(
      'AcrBuildPush',
      { ...inputs(), dockerfile: 'api/Dockerfile', ...more },
      { sources, workFolder: join(folder, 'agent'), ...options },
    );
  }

  /** What a step needs that pushes to the docker-registry. */
  function inputs() {
    return {
      loginServer: host,
      acrUsername: USERNAME,
      acrPassword: PASSWORD,
      repository: 'titanic',
      tags: '1.0.0',
      builder: 'docker',
      labels: `test-run=${run}`,
    };
  }

  return {
    /** Labels all images, by `test-run`, so that they can be removed from the engine. */
    run,
    /** Everything here lies in it. */
    folder,
    /** The name of an image with a shell. */
    base,
    /** A docker configuration that may pull what the tests pushed. */
    login,
    /** Of the docker-registry; known once the tests run. */
    get host() {
      return host;
    },
    step,
    inputs,
  };
}
