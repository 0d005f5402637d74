import type { Logger } from '../common/log';
import type { Outcome, TaskContext } from '../common/task';
import { formatBytes, plural } from '../common/text';
import type { RegistryClient } from './registry/client';
import { type ImageReport, imageSize, summarize, uploadedSize } from './report';

/** Says which image the step is about, and what was made of its inputs that their author may not expect. */
export function announce(
  log: Logger,
  name: string,
  tags: readonly string[],
  remarks: readonly string[],
): void {
  const names =
    tags.length > 0 ? `${plural(tags.length, 'tag')}: ${tags.join(', ')}` : 'to be known by its digest alone';
  log.info(`Image ${name}, ${names}`);
  for (const remark of remarks) log.info(remark);
}

/** Sets the outputs that the manifest brings. */
export function setImageOutputs(task: TaskContext, report: Omit<ImageReport, 'title'>): void {
  const { name, manifest } = report;
  if (!manifest) return;
  task.setOutput('imageDigest', manifest.digest);
  task.setOutput('imageRefByDigest', `${name}@${manifest.digest}`);
  const size = imageSize(manifest);
  if (size !== undefined) task.setOutput('imageSizeBytes', size);
  const uploaded = uploadedSize(report);
  if (uploaded !== undefined) task.setOutput('uploadedBytes', uploaded);
}

/** What an image goes by: its first tag, or its digest where it has none. */
export function referenceTo({
  name,
  tags,
  manifest,
}: Pick<ImageReport, 'name' | 'tags' | 'manifest'>): string {
  if (tags[0] !== undefined) return `${name}:${tags[0]}`;
  return manifest ? `${name}@${manifest.digest}` : name;
}

/** Reports an image that was there already, under all of its tags: it is the one that the first of them names. */
export async function finishFound(
  task: TaskContext,
  registry: RegistryClient,
  tags: readonly string[],
  facts: Pick<ImageReport, 'name' | 'base' | 'model' | 'phases'>,
): Promise<Outcome> {
  const manifest = await registry.manifest(tags[0]!);
  const report = { ...facts, tags, manifest, builder: undefined, sent: new Set<string>() };
  task.setOutput('imageRef', referenceTo(report));
  task.setOutput('imageTags', tags.join(','));
  setImageOutputs(task, report);
  return finish(task, 'found', report);
}

/** Shows the summary, and says what became of the image. */
export function finish(
  task: TaskContext,
  result: 'pushed' | 'copied' | 'built' | 'found',
  report: Omit<ImageReport, 'title'>,
): Outcome {
  const { manifest } = report;
  const size = manifest && imageSize(manifest);
  const image = referenceTo(report);
  const title = {
    pushed: `Pushed ${image}`,
    copied: `Copied ${image}`,
    built: `Built ${image}; not pushed, as input 'push' asks`,
    found: `${image} exists already; nothing was built, as input 'ifTagExists' asks`,
  }[result];
  task.uploadSummary(`Image ${image.slice(image.indexOf('/') + 1)}`, summarize({ ...report, title }));
  const facts = [manifest?.digest, size !== undefined && formatBytes(size)].filter(Boolean).join(', ');
  return { result: 'Succeeded', message: `${title}${facts && ` (${facts})`}.` };
}
