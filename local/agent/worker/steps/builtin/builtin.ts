import { AZURE_CLI } from './azure-cli';
import type { BuiltinTask } from './builtin-task';
import { COPY_FILES } from './copy-files';
import { KEY_VAULT } from './key-vault';
import { DOWNLOAD_ARTIFACT, PUBLISH_ARTIFACT } from './pipeline-artifacts';
import { BASH, COMMAND_LINE, POWERSHELL } from './scripts';

const TASKS: readonly BuiltinTask[] = [
  BASH,
  COMMAND_LINE,
  POWERSHELL,
  COPY_FILES,
  PUBLISH_ARTIFACT,
  DOWNLOAD_ARTIFACT,
  KEY_VAULT,
  AZURE_CLI,
];

/** What the agent carries out without any package, for messages. */
export const BUILTIN_NAMES: readonly string[] = TASKS.map(
  ({ definition }) => `${definition.name}@${definition.version.Major}`,
);

/** @param reference `Name@1`; the minor version may be written, too */
export function findBuiltin(reference: string): BuiltinTask | undefined {
  const [name = '', version = ''] = reference.toLowerCase().split('@');
  return TASKS.find(
    ({ definition }) =>
      definition.name.toLowerCase() === name && String(definition.version.Major) === version.split('.')[0],
  );
}
