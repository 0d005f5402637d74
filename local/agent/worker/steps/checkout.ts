import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { JobContext } from '../context/job-context';
import type { StepContext } from '../context/step-context';
import { askGit } from './git';
import { bringGitFolder } from './git-folder';
import type { CheckoutStep } from './steps';

/**
 * Brings the sources into the pipeline's `s` folder: what git tracks there, and new files that git does not ignore; or
 * every file when the sources are no git checkout. Like a checkout, it leaves alone what steps of earlier runs have
 * made, and removes files that are gone from the sources.
 */
export async function checkOut({ plan, isOneOfSeveral }: CheckoutStep, context: StepContext): Promise<void> {
  const { job } = context;
  const source = plan.repository ? job.repositories[plan.repository]! : job.sources;
  const name = plan.folder || basename(job.sources);
  const target = isOneOfSeveral ? join(job.folders.sources, name) : job.folders.sources;
  if (plan.clean) await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });

  const { files, fromGit } = await listSources(source, job);
  const listFile = join(
    job.folders.pipeline,
    isOneOfSeveral ? `checked-out-${name}.json` : 'checked-out.json',
  );
  const present = new Set(files);
  const gone = (await readList(listFile)).filter((file) => !present.has(file));
  for (const file of gone) await rm(join(target, file), { force: true });

  let copied = 0;
  for (const file of files) if (await bring(join(source, file), join(target, file))) copied++;
  await writeFile(listFile, JSON.stringify(files));
  const commit = fromGit ? await bringGitFolder(source, target, plan.fetchDepth) : undefined;
  context.output(
    `${fromGit ? 'Sources of the git checkout' : 'All files'} in ${source}: ${files.length} files.`,
  );
  context.output(`Copied ${copied} new or changed files to ${target}, removed ${gone.length}.`);
  if (commit) context.output(`HEAD is now at ${commit}.`);
}

async function listSources(root: string, job: JobContext): Promise<{ files: string[]; fromGit: boolean }> {
  // The agent's own folders may lie inside of the sources.
  const own = [job.folders.work, job.folders.externals, dirname(job.folders.run)].map(
    (folder) => folder + sep,
  );
  const isSource = (file: string) => !own.some((folder) => resolve(root, file).startsWith(folder));
  const listed = await listGit(root);
  const all = listed ?? (await listFolder(root, (folder) => isSource(folder + sep)));
  return { files: all.filter(isSource).sort(), fromGit: listed !== undefined };
}

async function listGit(folder: string): Promise<string[] | undefined> {
  // A folder that the checkout around it ignores is none of git's business.
  if ((await askGit(folder, 'check-ignore', '.')) !== undefined) return undefined;
  const listed = await askGit(folder, 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
  return listed?.split('\0').filter((file) => file !== '');
}

async function listFolder(root: string, enter: (folder: string) => boolean, below = ''): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true });
  const lists = entries.map(async (entry) => {
    const path = join(below, entry.name);
    if (!entry.isDirectory()) return [path];
    return entry.name === '.git' || !enter(join(root, path)) ? [] : listFolder(root, enter, path);
  });
  return (await Promise.all(lists)).flat();
}

async function readList(file: string): Promise<string[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return [];
  }
}

/** Copies a file unless the target is the same already. @returns whether it was copied */
async function bring(from: string, to: string): Promise<boolean> {
  const source = await lstat(from).catch(() => undefined);
  // Deleted but still tracked, or a submodule.
  if (!source || source.isDirectory()) return false;
  await mkdir(dirname(to), { recursive: true });
  if (source.isSymbolicLink()) {
    await rm(to, { recursive: true, force: true });
    await symlink(await readlink(from), to);
    return true;
  }
  const present = await lstat(to).catch(() => undefined);
  if (present?.isFile() && present.size === source.size && Math.abs(present.mtimeMs - source.mtimeMs) < 1)
    return false;
  await rm(to, { recursive: true, force: true });
  await copyFile(from, to);
  await utimes(to, source.atime, source.mtime);
  return true;
}
