import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BuilderKind } from '../../tasks/AcrBuildPush/docker/engine';

/** Where docker finds no plugin, and no configuration. */
const NO_CONFIG = '/var/empty';

/** The ways in which this machine's docker clients build, and an environment for each; undefined where none does. */
export const dockerBuilders: Readonly<Record<BuilderKind, NodeJS.ProcessEnv | undefined>> = {
  buildx: findClient((client) => spawnSync(client, ['buildx', 'version']).status === 0),
  'built-in': builtIn(),
  legacy: { ...process.env, DOCKER_BUILDKIT: '0' },
};

/** Clients before 23 have BuildKit in them, and use it where they have no plugin. */
function builtIn(): NodeJS.ProcessEnv | undefined {
  const env = findClient((client) => {
    const version = execFileSync(client, ['--version'], { encoding: 'utf8' });
    return Number(/version (\d+)/.exec(version)?.[1]) < 23;
  });
  return env && { ...env, DOCKER_CONFIG: NO_CONFIG };
}

function findClient(fits: (client: string) => boolean): NodeJS.ProcessEnv | undefined {
  const folders = (process.env.PATH ?? '').split(':');
  const folder = folders.find((one) => existsSync(join(one, 'docker')) && fits(join(one, 'docker')));
  return folder === undefined
    ? undefined
    : { ...process.env, PATH: `${folder}:/usr/bin:/bin`, DOCKER_BUILDKIT: '1' };
}
