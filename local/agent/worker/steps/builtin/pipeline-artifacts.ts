import { existsSync, statSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import type { StepContext } from '../../context/step-context';
import { type BuiltinTask, builtinDefinition } from './builtin-task';
import { findFiles } from './find-files';

/** Keeps files with the run, for later jobs and for the person who started it. */
export const PUBLISH_ARTIFACT: BuiltinTask = {
  definition: builtinDefinition('PublishPipelineArtifact', 1, 'Publish Pipeline Artifacts', [
    { name: 'path', aliases: ['targetPath'], defaultValue: '$(Pipeline.Workspace)' },
    { name: 'artifactName', aliases: ['artifact'] },
    { name: 'artifactType', aliases: ['publishLocation'], defaultValue: 'pipeline' },
  ]),
  check: (given) =>
    /^(pipeline)?$/i.test(given.get('artifactType') ?? '')
      ? []
      : ['PublishPipelineArtifact@1 can publish to the pipeline only, not to a file share.'],
  run: async (context, inputs) => {
    const from = absolute(context, inputs.get('path')!);
    const { run, record } = context.job;
    const name = inputs.get('artifactName') || record.name.replace(/\W+/g, '_');
    if (/[/\\":<>|*?]|^\.+$/.test(name)) throw new Error(`'${name}' cannot be the name of an artifact.`);
    if (!existsSync(from)) throw new Error(`Path does not exist: ${from}`);
    if (run.artifacts.some((artifact) => artifact.name === name)) {
      throw new Error(`Artifact ${name} already exists for build ${run.buildId}.`);
    }
    const path = join(context.job.folders.run, 'artifacts', name);
    await mkdir(path, { recursive: true });
    const isFolder = statSync(from).isDirectory();
    await cp(from, isFolder ? path : join(path, basename(from)), { recursive: true, dereference: true });
    run.artifacts.push({ name, path });
    context.output(`Published the artifact '${name}' of ${from}: ${path}`);
  },
};

/** Brings what earlier steps and jobs of the run have published. */
export const DOWNLOAD_ARTIFACT: BuiltinTask = {
  definition: builtinDefinition('DownloadPipelineArtifact', 2, 'Download Pipeline Artifacts', [
    { name: 'source', aliases: ['buildType'], defaultValue: 'current' },
    { name: 'artifactName', aliases: ['artifact'] },
    { name: 'patterns', aliases: ['itemPattern'], defaultValue: '**' },
    { name: 'path', aliases: ['targetPath', 'downloadPath'], defaultValue: '$(Pipeline.Workspace)' },
  ]),
  check: (given) =>
    /^(current)?$/i.test(given.get('source') ?? '')
      ? []
      : ["DownloadPipelineArtifact@2 can download what this run has published ('current') only."],
  run: async (context, inputs) => {
    const target = absolute(context, inputs.get('path')!);
    const wanted = inputs.get('artifactName');
    const { artifacts } = context.job.run;
    const chosen = wanted ? artifacts.filter(({ name }) => name === wanted) : artifacts;
    if (wanted && chosen.length === 0)
      throw new Error(`Artifact ${wanted} was not found for build ${context.job.run.buildId}.`);
    for (const { name, path } of chosen) {
      // An artifact that is named comes without a folder of its own.
      const to = wanted ? target : join(target, name);
      const patterns = inputs.get('patterns')!.split(/\r?\n/);
      const files = await findFiles(path, wanted ? patterns : inside(name, patterns));
      for (const file of files) {
        const copy = join(to, relative(path, file));
        await mkdir(dirname(copy), { recursive: true });
        await cp(file, copy);
      }
      context.output(`Downloaded ${files.length} files of the artifact '${name}' to ${to}.`);
    }
  },
};

/** Without a named artifact, patterns begin with the name of one. */
function inside(name: string, patterns: readonly string[]): string[] {
  return patterns.flatMap((line) => {
    const [, not = '', pattern = ''] = /^(!?)(.*)$/.exec(line.trim()) ?? [];
    if (pattern.startsWith('**')) return [line];
    return pattern.startsWith(`${name}/`) ? [not + pattern.slice(name.length + 1)] : [];
  });
}

function absolute(context: StepContext, path: string): string {
  return isAbsolute(path) ? path : join(context.job.folders.sources, path);
}
