import { cpSync, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type StepContext, SUMMARY_TYPE } from '../context/step-context';
import { type CommandHandlers, required, requiredData, unrestricted } from './command-handler';
import type { Command } from './commands';

/** The commands of the area `build`. */
export const BUILD_COMMANDS: CommandHandlers = {
  updatebuildnumber: unrestricted((context, command) => {
    const data = requiredData(command, 'a number');
    context.job.variables.set('Build.BuildNumber', data);
    context.job.run.buildNumber = data;
  }),
  addbuildtag: unrestricted((context, command) => {
    const tag = requiredData(command, 'a tag').trim();
    if (!context.job.run.tags.includes(tag)) context.job.run.tags.push(tag);
  }),
  uploadlog: unrestricted((context, { data }) =>
    context.attach('DistributedTask.Core.Log', 'CustomToolLog', data),
  ),
  uploadsummary: unrestricted((context, { data }) =>
    context.attach(SUMMARY_TYPE, `CustomMarkDownSummary-${basename(data)}`, data),
  ),
};

/** The commands of the area `artifact` that need no server. */
export const ARTIFACT_COMMANDS: CommandHandlers = { upload: unrestricted(uploadArtifact) };

function uploadArtifact(context: StepContext, command: Command): void {
  const name = required(command, 'artifactname');
  const data = requiredData(command, 'a path');
  const folder = command.properties.get('containerfolder') ?? name;
  if (/[/\\]|^\.+$/.test(name) || folder.includes('..')) {
    throw new Error(`'${name}' in '${folder}' cannot be the name of an artifact.`);
  }
  if (!existsSync(data)) throw new Error(`There is nothing at ${data} to upload.`);
  const isFolder = statSync(data).isDirectory();
  if (isFolder && readdirSync(data, { recursive: true }).length === 0) {
    context.warning(`The folder ${data} is empty, so the artifact '${name}' gets nothing.`);
    return;
  }
  const { run, folders } = context.job;
  const path = join(folders.run, 'artifacts', name);
  const inside = join(path, folder);
  cpSync(data, isFolder ? inside : join(inside, basename(data)), { recursive: true });
  if (!run.artifacts.some((artifact) => artifact.name === name)) run.artifacts.push({ name, path });
}
