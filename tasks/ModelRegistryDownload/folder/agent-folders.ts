import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskContext } from '../../common/task';
import type { AgentFolders } from './destination';

/** Variables of the folders that the agent gives to jobs. */
const GIVEN = [
  'Build.SourcesDirectory',
  'System.DefaultWorkingDirectory',
  'Build.ArtifactStagingDirectory',
  'Build.BinariesDirectory',
  'Pipeline.Workspace',
  'Agent.BuildDirectory',
  'Agent.TempDirectory',
  'Agent.WorkFolder',
];

/** Variables of folders that hold more than a model. */
const KEPT = [
  'Build.SourcesDirectory',
  'System.DefaultWorkingDirectory',
  'Pipeline.Workspace',
  'Agent.BuildDirectory',
  'Agent.WorkFolder',
  'Agent.ToolsDirectory',
  'Agent.HomeDirectory',
];

export function agentFolders(task: Pick<TaskContext, 'variable' | 'tempFolder'>): AgentFolders {
  const read = (names: readonly string[]) =>
    names.map((name) => task.variable(name)).filter((folder) => folder !== undefined);
  return {
    given: read(GIVEN),
    kept: [...read(KEPT), task.tempFolder, process.cwd(), homedir(), memoryFolder(task)],
  };
}

/** Where the task keeps what it remembers of destinations: at the agent, out of the reach of commits. */
export function memoryFolder(task: Pick<TaskContext, 'variable'>): string {
  const root = task.variable('Agent.WorkFolder') ?? task.variable('Agent.TempDirectory') ?? tmpdir();
  const user = process.getuid?.();
  // A job in a container may have another user than the agent, and share its work folder.
  return join(root, user === undefined ? MEMORY : `${MEMORY}-${user}`);
}

const MEMORY = '_modelRegistryDownload';
