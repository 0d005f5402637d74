import type { Extension, TaskVersion } from './identity';

/** @throws when it is not three numbers */
export function parseVersion(version: string): TaskVersion {
  const numbers = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(version)?.slice(1).map(Number);
  const [Major, Minor, Patch] = numbers ?? [];
  if (Major === undefined || Minor === undefined || Patch === undefined) {
    throw new Error(`'${version}' is no version: three numbers, such as 1.2.0.`);
  }
  if (Math.max(Major, Minor, Patch) > 2_147_483_647) {
    throw new Error(`'${version}' is no version: its numbers may be 2147483647 at most.`);
  }
  return { Major, Minor, Patch };
}

/** Above 0 when the first is the newer one. */
export function compareVersions(first: TaskVersion, second: TaskVersion): number {
  return first.Major - second.Major || first.Minor - second.Minor || first.Patch - second.Patch;
}

/**
 * The extension and all its tasks at one version.
 *
 * @throws when its tasks would leave the major version that pipelines name
 */
export function atVersion({ manifest, tasks }: Extension, version: string): Extension {
  const wanted = parseVersion(version);
  for (const { name, version: current } of Object.values(tasks)) {
    if (wanted.Major !== current.Major) {
      throw new Error(
        `Pipelines name ${name}@${current.Major}, which ${version} would take away from them. A new major version of a task is another folder beside the old one.`,
      );
    }
  }
  return {
    manifest: { ...manifest, version },
    tasks: Object.fromEntries(
      Object.entries(tasks).map(([folder, task]) => [folder, { ...task, version: wanted }]),
    ),
  };
}
