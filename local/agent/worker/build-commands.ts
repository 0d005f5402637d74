import { cpSync, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type CommandHandlers, unrestricted } from './command-handler';
import type { Command } from './commands';
import { type StepContext, summaryType } from './step-context';

/** The commands of the area `build`. */
export const buildCommands: CommandHandlers = {
  updatebuildnumber: unrestricted((context, { data }) => {
    if (data === '') throw new Error('Build number is required.');
    context.job.variables.set('Build.BuildNumber', data);
    context.job.run.buildNumber = data;
  }),
  addbuildtag: unrestricted((context, { data }) => {
    const tag = data.trim();
    if (tag === '') throw new Error('Build tag is required.');
    if (!context.job.run.tags.includes(tag)) context.job.run.tags.push(tag);
  }),
  uploadlog: unrestricted((context, { data }) =>
    context.attach('DistributedTask.Core.Log', 'CustomToolLog', data),
  ),
  uploadsummary: unrestricted((context, { data }) =>
    context.attach(summaryType, `CustomMarkDownSummary-${basename(data)}`, data),
  ),
};

/** The commands of the area `artifact` that need no server. */
export const artifactCommands: CommandHandlers = { upload: unrestricted(uploadArtifact) };

function uploadArtifact(context: StepContext, { properties, data }: Command): void {
  const name = properties.get('artifactname');
  if (!name) throw new Error('Artifact Name is required.');
  const folder = properties.get('containerfolder') ?? name;
  if (/[/\\]|^\.+$/.test(name) || folder.includes('..')) {
    throw new Error(`'${name}' in '${folder}' cannot be the name of an artifact.`);
  }
  if (data === '') throw new Error('Artifact location is required.');
  if (!existsSync(data)) throw new Error(`Path does not exist: ${data}`);
  const isFolder = statSync(data).isDirectory();
  if (isFolder && readdirSync(data, { recursive: true }).length === 0) {
    context.warning(`Directory '${data}' is empty. Nothing will be added to build artifact '${name}'.`);
    return;
  }
  const { run, folders } = context.job;
  const path = join(folders.run, 'artifacts', name);
  const inside = join(path, folder);
  cpSync(data, isFolder ? inside : join(inside, basename(data)), { recursive: true });
  if (!run.artifacts.some((artifact) => artifact.name === name)) run.artifacts.push({ name, path });
}
