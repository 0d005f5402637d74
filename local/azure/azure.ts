import { stopAll } from '../stop';
import { carryOut } from './commands';
import { ContainerApps } from './container-apps';
import { ContainerGroups } from './container-groups';
import type { ImageRunner } from './places';
import { type AzProgram, startAz } from './program';

/** Container apps and container instances on this machine, and an `az` that manages them. */
export type LocalAzure = AzProgram;

export interface LocalAzureOptions {
  readonly runner: ImageRunner;
  /** The digest of what `repository:tag` names in the registry; undefined where there is none. */
  readonly digestOf: (image: string) => Promise<string | undefined>;
}

/** Starts the places, and the program `az` that manages them. */
export async function startLocalAzure({ runner, digestOf }: LocalAzureOptions): Promise<LocalAzure> {
  const apps = new ContainerApps(runner);
  const groups = new ContainerGroups(runner);
  const program = await startAz((args) => carryOut(args, { apps, groups, digestOf }));
  return {
    folder: program.folder,
    stop: () => stopAll([program, apps, groups]),
  };
}
