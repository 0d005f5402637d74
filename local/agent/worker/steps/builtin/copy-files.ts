import { existsSync } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { type BuiltinTask, builtinDefinition, isTrue } from './builtin-task';
import { findFiles } from './find-files';

/** Copies files by patterns from one folder to another. */
export const COPY_FILES: BuiltinTask = {
  definition: builtinDefinition('CopyFiles', 2, 'Copy files', [
    { name: 'SourceFolder', type: 'filePath' },
    { name: 'Contents', defaultValue: '**' },
    { name: 'TargetFolder', type: 'filePath' },
    { name: 'CleanTargetFolder', defaultValue: false },
    { name: 'OverWrite', defaultValue: false },
    { name: 'flattenFolders', defaultValue: false },
    { name: 'preserveTimestamp', defaultValue: false },
    { name: 'ignoreMakeDirErrors', defaultValue: false },
  ]),
  check: (given) => (given.get('TargetFolder') ? [] : ["CopyFiles@2 needs the input 'TargetFolder'."]),
  run: async (context, inputs) => {
    const source = inputs.get('SourceFolder')!;
    const target = inputs.get('TargetFolder')!;
    if (!existsSync(source)) throw new Error(`Not found SourceFolder: ${source}`);
    const files = await findFiles(source, inputs.get('Contents')!.split(/\r?\n/));
    context.output(`found ${files.length} files`);
    if (isTrue(inputs.get('CleanTargetFolder'))) await rm(target, { recursive: true, force: true });
    await mkdir(target, { recursive: true });
    for (const file of files) {
      const name = isTrue(inputs.get('flattenFolders')) ? basename(file) : relative(source, file);
      const to = join(target, name);
      if (existsSync(to) && !isTrue(inputs.get('OverWrite'))) {
        context.output(`File ${file} already exist at ${to}`);
        continue;
      }
      await mkdir(dirname(to), { recursive: true });
      await cp(file, to, { preserveTimestamps: isTrue(inputs.get('preserveTimestamp')), dereference: true });
      context.output(`Copying ${file} to ${to}`);
    }
  },
};
