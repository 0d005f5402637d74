import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isRecord, readJson } from '../../tasks/common/json';
import { modelDigest } from '../../tasks/ModelRegistryDownload/folder/manifest';
import { readBundle } from '../../tasks/ModelRegistryDownload/signature/bundle';
import { compareWithSigned, SIGNATURE_NAME } from '../../tasks/ModelRegistryDownload/signature/compare';
import { readSignedModel } from '../../tasks/ModelRegistryDownload/signature/signed-model';
import type { TrustedKeys } from '../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { type ChainOptions, type Dependency, isTrusting, type Link } from './link';
import { findModels, type ModelInImage } from './model-in-image';
import type { Descriptor, Registry } from './registry';

/**
 * What an image has of models, held against what its provenances name.
 *
 * @param provenances what went into the image, by each of them
 */
export async function modelsOf(
  registry: Registry,
  layers: readonly Descriptor[],
  provenances: readonly (readonly Dependency[])[],
  options: ChainOptions,
): Promise<Link[]> {
  const { models, unread } = await findModels(registry, layers);
  const links: Link[] = unread.map((detail) => ({
    what: 'layer',
    detail: `not read: ${detail}`,
    state: 'missing',
  }));
  if (models.length === 0) {
    const isNamed = unread.length === 0 && provenances.flat().some(({ name }) => name === 'model');
    const detail = isNamed
      ? 'the provenance names one, but no layer of the image holds a model-manifest.json'
      : 'no layer of the image holds a model-manifest.json';
    return [...links, { what: 'model', detail, state: isNamed ? 'wrong' : 'missing' }];
  }
  for (const model of models) {
    links.push(...contentLinks(model, provenances, unread.length > 0));
    links.push(await signatureLink(model, options.modelKeys));
    links.push(...trainingLinks(model, provenances, options));
  }
  return links;
}

function contentLinks(
  { manifest, files, folder }: ModelInImage,
  provenances: readonly (readonly Dependency[])[],
  isPartlyRead: boolean,
): Link[] {
  const what = 'model';
  const name = `${manifest.name} ${manifest.version}`;
  const differing = manifest.files.filter(({ path, size, sha256 }) => {
    const file = files.get(path);
    return file?.size !== size || file.sha256 !== sha256;
  });
  const digest = modelDigest(manifest.files);
  const links: Link[] = [];
  if (differing.length > 0 || digest !== manifest.digest) {
    const paths = differing.map(({ path }) => path).join(', ');
    const detail = `${name} in /${folder}: not what its manifest lists: ${paths || 'its digest'}`;
    links.push({ what, detail, state: 'wrong' });
  } else {
    const detail = `${name}, ${manifest.files.length} files in /${folder}, ${digest}`;
    links.push(
      isPartlyRead
        ? { what, detail: `${detail}; a layer that was not read may replace it`, state: 'stated' }
        : { what, detail, state: 'verified' },
    );
  }
  for (const other of differingDigests(provenances, 'model', digest.slice('sha256:'.length)))
    links.push({ what, detail: `the provenance names another one, sha256:${other}`, state: 'wrong' });
  return links;
}

/** Digests that provenances name of something, other than the one that it has. */
function differingDigests(
  provenances: readonly (readonly Dependency[])[],
  what: string,
  sha256: string,
): Set<string | undefined> {
  const named = provenances.flatMap((dependencies) => dependencies.filter(({ name }) => name === what));
  return new Set(named.map(({ digest }) => digest?.sha256).filter((one) => one !== sha256));
}

async function signatureLink({ manifest, files }: ModelInImage, trusted: TrustedKeys): Promise<Link> {
  const what = 'model signature';
  const content = files.get(SIGNATURE_NAME)?.content;
  if (!content) {
    const state = isTrusting(trusted) ? 'wrong' : 'missing';
    return { what, detail: `no ${SIGNATURE_NAME} in the image`, state };
  }
  if (!isTrusting(trusted)) return { what, detail: 'no key was given to verify it', state: 'stated' };
  try {
    const signed = readSignedModel(readBundle(content), trusted, Date.now());
    const all = manifest.files.map(({ path }) => {
      const { size = 0, sha256 = '' } = files.get(path) ?? {};
      return { path, size, sha256 };
    });
    await compareWithSigned(signed, {
      files: all,
      registered: new Set(all.map(({ path }) => path)),
      open: () => {
        throw new Error('is of parts of files, which are not verified here');
      },
      signal: new AbortController().signal,
    });
    const cited = manifest.signature?.digest;
    if (cited !== undefined && cited !== signed.digest)
      throw new Error(`is another one than the manifest cites (${cited})`);
    return { what, detail: `${signed.digest}, signed with ${signed.key}`, state: 'verified' };
  } catch (error) {
    return { what, detail: (error as Error).message, state: 'wrong' };
  }
}

function trainingLinks(
  { files }: ModelInImage,
  provenances: readonly (readonly Dependency[])[],
  { sources }: ChainOptions,
): Link[] {
  const what = 'training';
  const metadata = files.get('metadata.json');
  if (!metadata?.content) return [{ what, detail: 'the model has no metadata.json', state: 'missing' }];
  const content = readJson(metadata.content);
  if (!isRecord(content)) return [{ what, detail: 'metadata.json tells nothing', state: 'wrong' }];
  const run = content.runUrl ?? content.runId ?? 'a run that is not named';
  const detail = `${run}, commit ${content.gitCommit ?? 'not known'}, trained ${content.trainedAt ?? 'at a time that is not known'}`;
  const isNamed = provenances.flat().some(({ name }) => name === what);
  const differing = differingDigests(provenances, what, metadata.sha256 ?? '');
  const link: Link =
    differing.size > 0
      ? { what, detail: 'metadata.json is another one than the provenance names', state: 'wrong' }
      : { what, detail, state: isNamed ? 'verified' : 'stated' };
  return [link, notebookLink(content, sources)];
}

function notebookLink(metadata: Readonly<Record<string, unknown>>, sources: string | undefined): Link {
  const what = 'notebook';
  const { path, sha256 } = isRecord(metadata.notebook) ? metadata.notebook : {};
  // Of the file that the pipeline has imported, where it told the notebook.
  const imported = isRecord(metadata.parameters) ? metadata.parameters.notebook_sha256 : undefined;
  const digests = [imported, sha256].filter((one): one is string => typeof one === 'string' && one !== '');
  if (digests.length === 0) return { what, detail: 'its digest is not known', state: 'missing' };
  const detail = `${path ?? 'its path is not known'}, sha256:${digests[0]}`;
  if (sources === undefined || typeof path !== 'string') return { what, detail, state: 'stated' };
  const name = basename(path);
  const found = readdirSync(sources, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.replace(/\.(py|ipynb|sql|scala|r)$/i, '') === name,
  );
  const digestIn = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
  const same = found.find((entry) => digests.includes(digestIn(join(entry.parentPath, entry.name))));
  if (same) return { what, detail: `${detail}: ${join(same.parentPath, same.name)}`, state: 'verified' };
  const where = found.length > 0 ? 'the one in the sources is another' : 'not in the sources';
  return { what, detail: `${detail}: ${where}`, state: 'stated' };
}
