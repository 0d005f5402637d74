import { TaskError } from '../../common/errors';

/** What the download sites call a platform. */
export interface Platform {
  readonly dockerFolder: string;
  readonly archive: 'tgz' | 'zip';
  readonly buildx: string;
  readonly suffix: '' | '.exe';
}

/** @throws TaskError where there is no docker to download for it */
export function describePlatform(os: NodeJS.Platform, cpu: NodeJS.Architecture): Platform {
  const systems: Partial<Record<NodeJS.Platform, [docker: string, buildx: string]>> = {
    linux: ['linux', 'linux'],
    darwin: ['mac', 'darwin'],
    win32: ['win', 'windows'],
  };
  const processors: Partial<Record<NodeJS.Architecture, [docker: string, buildx: string]>> = {
    x64: ['x86_64', 'amd64'],
    arm64: ['aarch64', 'arm64'],
    arm: ['armhf', 'arm-v7'],
  };
  const [system, processor] = [systems[os], processors[cpu]];
  if (!system || !processor) {
    throw new TaskError(
      `There is no docker to download for ${os} on ${cpu}. Install it on the agent, and leave input 'dockerVersion' empty.`,
    );
  }
  const isWindows = os === 'win32';
  return {
    dockerFolder: `${system[0]}/static/stable/${processor[0]}`,
    archive: isWindows ? 'zip' : 'tgz',
    buildx: `${system[1]}-${processor[1]}`,
    suffix: isWindows ? '.exe' : '',
  };
}
