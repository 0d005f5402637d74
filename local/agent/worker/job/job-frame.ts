import { mkdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { JobPlan } from '../../pipeline/plan';
import { environmentName } from '../context/environment';
import type { Folders } from '../context/folders';
import { isOn, PROCESS_MARK, setting } from '../context/job-context';
import type { StepContext } from '../context/step-context';
import { killByEnvironment } from '../steps/processes';
import { layOutNodes, nodeBinary, nodeVersion } from '../tasks/nodes';
import { AGENT_VERSION, userName } from './predefined';

/** The agent's own first step: folders, Node binaries, and the settings that are not as usual. */
export function initializeJob(context: StepContext, clean: JobPlan['clean']): void {
  const { job } = context;
  const { variables, folders, connections } = job;
  for (const warning of variables.expandEachOther()) context.warning(warning);
  for (const { data = {} } of connections) {
    for (const [name, value] of Object.entries(data)) data[name] = variables.expand(value);
  }
  context.output(`Agent name: 'local', behaving as azure-pipelines-agent ${AGENT_VERSION}`);
  context.output(`Agent machine name: '${hostname()}', user: '${userName()}'`);

  for (const warning of ambiguousNames(variables.all().map(({ name }) => name))) context.warning(warning);
  for (const folder of foldersToEmpty(folders, clean)) rmSync(folder, { recursive: true, force: true });
  const { temp, tools, sources, binaries, staging, testResults } = folders;
  for (const folder of [temp, tools, sources, binaries, staging, testResults]) {
    mkdirSync(folder, { recursive: true });
  }
  layOutNodes(folders.externals, job.nodeProgram);
  for (const folder of ['node20_1', 'node24']) {
    const binary = nodeBinary(folders.externals, folder);
    context.output(`Node in ${folder}: ${nodeVersion(binary) ?? 'does not run here'}`);
  }
  for (const name of ['AGENT_USE_NODE24', 'AGENT_USE_NODE20_1', 'AGENT_USE_NODE24_WITH_HANDLER_DATA']) {
    if (isOn(job, name)) context.output(`${name} = ${setting(job, name)}`);
  }
}

/** The agent empties these before every job, and more when the job says so. */
function foldersToEmpty(folders: Folders, clean: JobPlan['clean']): string[] {
  const { temp, staging, testResults, binaries, sources, pipeline } = folders;
  const more = { outputs: [binaries], resources: [sources], all: [pipeline] };
  return [temp, staging, testResults, ...(clean ? more[clean] : [])];
}

/** `A.B` and `A_B` are one variable in the environment of a process. */
function ambiguousNames(names: readonly string[]): string[] {
  const byEnvironment = new Map<string, string[]>();
  for (const name of names) {
    const same = byEnvironment.get(environmentName(name)) ?? [];
    byEnvironment.set(environmentName(name), [...same, name]);
  }
  return [...byEnvironment]
    .filter(([, same]) => same.length > 1)
    .map(
      ([name, same]) =>
        `The variables ${same.join(' and ')} are both ${name} in the environment of scripts; which one they see is left to chance.`,
    );
}

/** The agent's own last step: ends whatever processes the job's steps have left running. */
export function finalizeJob(context: StepContext): void {
  const { folders, variables } = context.job;
  rmSync(join(folders.work, '.taskkey'), { force: true });
  context.output('Looking for processes that the steps have left running.');
  killByEnvironment(PROCESS_MARK, variables.get(PROCESS_MARK)!, (pid, command) =>
    context.output(`Killed ${command} (${pid}), which was left running.`),
  );
}
