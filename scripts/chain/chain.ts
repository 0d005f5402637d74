import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isRecord } from '../../tasks/common/json';
import { modelDigest } from '../../tasks/ModelRegistryDownload/folder/manifest';
import { readBundle } from '../../tasks/ModelRegistryDownload/signature/bundle';
import { compareWithSigned, SIGNATURE_NAME } from '../../tasks/ModelRegistryDownload/signature/compare';
import { readSignedModel } from '../../tasks/ModelRegistryDownload/signature/signed-model';
import type { TrustedKeys } from '../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { type Attached, readAttachments } from './attachments';
import { findModel, type ModelInImage } from './model-in-image';
import type { Manifest, Registry } from './registry';

/** A part of the way from an image back to its notebook. */
export interface Link {
  readonly what: string;
  readonly detail: string;
  /**
   * `verified`: a digest or signature was computed here and is right. `stated`: somebody says so, and nothing here can tell.
   * `wrong`: it contradicts something. `missing`: nobody says it.
   */
  readonly state: 'verified' | 'stated' | 'wrong' | 'missing';
}

export interface ChainOptions {
  /** Of those who sign what is attached to images; none where nobody is trusted. */
  readonly imageKeys: TrustedKeys;
  readonly modelKeys: TrustedKeys;
  /** A checkout in which the notebook is looked for; undefined where there is none. */
  readonly sources: string | undefined;
}

/** Something that went into an image, as its provenance names it. */
interface Dependency {
  readonly name?: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

const PROVENANCE = 'https://slsa.dev/provenance/v1';
const BILL = /cyclonedx/i;

/** Walks from an image to the notebook that its model comes from, and holds each part against the others. */
export async function walkChain(
  registry: Registry,
  version: string,
  options: ChainOptions,
): Promise<readonly Link[]> {
  const image = await registry.manifest(version);
  const links: Link[] = [{ what: 'image', detail: image.digest, state: 'verified' }];
  const { statements, documents, faults } = await readAttachments(registry, image.digest, options.imageKeys);
  for (const fault of faults) links.push({ what: 'attachment', detail: fault, state: 'wrong' });

  const provenance = bestOf(statements.filter(({ statement }) => statement.predicateType === PROVENANCE));
  links.push(provenanceLink(provenance, options));
  const dependencies = provenance ? dependenciesOf(provenance) : [];
  links.push(billLink(image.digest, statements, documents, options));
  links.push(...statedLinks(dependencies, ['source', 'base-image']));

  const model = await findModel(registry, await layersOf(registry, image));
  if (model) {
    links.push(...(await modelLinks(model, dependencies, options)));
    links.push(...trainingLinks(model, dependencies, options));
  } else {
    links.push({
      what: 'model',
      detail: 'no layer of the image holds a model-manifest.json',
      state: 'missing',
    });
  }
  return links;
}

/** One that is signed comes before one that is not. */
function bestOf(attached: readonly Attached[]): Attached | undefined {
  return attached.find(({ signedBy }) => signedBy !== undefined) ?? attached[0];
}

function isTrusting({ keys, certificates }: TrustedKeys): boolean {
  return keys.length + certificates.length > 0;
}

function provenanceLink(provenance: Attached | undefined, { imageKeys }: ChainOptions): Link {
  if (!provenance) return { what: 'provenance', detail: 'none is attached', state: 'missing' };
  const about = `${provenance.digest}, about this image`;
  if (provenance.signedBy !== undefined) {
    return { what: 'provenance', detail: `${about}, signed with ${provenance.signedBy}`, state: 'verified' };
  }
  if (isTrusting(imageKeys)) {
    return { what: 'provenance', detail: `${about}, but signed with none of the given keys`, state: 'wrong' };
  }
  return { what: 'provenance', detail: `${about}; no key was given to verify who says it`, state: 'stated' };
}

function billLink(
  digest: string,
  statements: readonly Attached[],
  documents: readonly { readonly mediaType: string; readonly content: Buffer }[],
  { imageKeys }: ChainOptions,
): Link {
  const what = 'bill of materials';
  const signed = bestOf(statements.filter(({ statement }) => BILL.test(statement.predicateType ?? '')));
  const plain = documents.find(({ mediaType }) => BILL.test(mediaType));
  const bill = signed?.statement.predicate ?? (plain && JSON.parse(plain.content.toString()));
  if (!isRecord(bill)) return { what, detail: 'none is attached', state: 'missing' };
  const components = Array.isArray(bill.components) ? bill.components.length : 0;
  const detail = `${components} components`;
  const component =
    isRecord(bill.metadata) && isRecord(bill.metadata.component) ? bill.metadata.component : {};
  const hashes = Array.isArray(component.hashes) ? component.hashes.filter(isRecord) : [];
  const own = hashes.find(({ alg }) => alg === 'SHA-256')?.content;
  if (own !== undefined && `sha256:${own}` !== digest) {
    return { what, detail: `${detail}, but of another image (sha256:${own})`, state: 'wrong' };
  }
  if (signed?.signedBy !== undefined)
    return { what, detail: `${detail}, signed with ${signed.signedBy}`, state: 'verified' };
  return {
    what,
    detail: isTrusting(imageKeys) ? `${detail}, signed with none of the given keys` : detail,
    state: 'stated',
  };
}

function dependenciesOf({ statement }: Attached): Dependency[] {
  const predicate = isRecord(statement.predicate) ? statement.predicate : {};
  const definition = isRecord(predicate.buildDefinition) ? predicate.buildDefinition : {};
  const { resolvedDependencies } = definition;
  return Array.isArray(resolvedDependencies) ? resolvedDependencies.filter(isRecord) : [];
}

function statedLinks(dependencies: readonly Dependency[], names: readonly string[]): Link[] {
  return dependencies
    .filter(({ name }) => names.includes(name ?? ''))
    .map(({ name, uri, digest = {} }) => {
      const [value] = Object.entries(digest).map(([algorithm, hex]) => `${algorithm}:${hex}`);
      return { what: name!, detail: [uri, value].filter(Boolean).join(', '), state: 'stated' as const };
    });
}

/** Of an image for several platforms, those of the first: all have the same model. */
async function layersOf(registry: Registry, image: Manifest) {
  if (image.content.layers) return image.content.layers;
  const first = (image.content.manifests ?? []).find(({ platform }) => platform?.os !== 'unknown');
  return first ? ((await registry.manifest(first.digest)).content.layers ?? []) : [];
}

async function modelLinks(
  { manifest, files, folder }: ModelInImage,
  dependencies: readonly Dependency[],
  { modelKeys }: ChainOptions,
): Promise<Link[]> {
  const name = `${manifest.name} ${manifest.version}`;
  const links: Link[] = [];
  const differing = manifest.files.filter(({ path, size, sha256 }) => {
    const file = files.get(path);
    return file?.size !== size || file.sha256 !== sha256;
  });
  const digest = modelDigest(manifest.files);
  if (differing.length > 0 || digest !== manifest.digest) {
    const paths = differing.map(({ path }) => path).join(', ');
    links.push({
      what: 'model',
      detail: `${name} in /${folder}: not what its manifest lists: ${paths || 'its digest'}`,
      state: 'wrong',
    });
  } else {
    links.push({
      what: 'model',
      detail: `${name}, ${manifest.files.length} files in /${folder}, ${digest}`,
      state: 'verified',
    });
  }
  const stated = dependencies.find((dependency) => dependency.name === 'model');
  if (stated && `sha256:${stated.digest?.sha256}` !== digest) {
    links.push({
      what: 'model',
      detail: `the provenance names another one, sha256:${stated.digest?.sha256}`,
      state: 'wrong',
    });
  }
  links.push(await signatureLink({ manifest, files, folder }, modelKeys));
  return links;
}

async function signatureLink({ manifest, files }: ModelInImage, trusted: TrustedKeys): Promise<Link> {
  const what = 'model signature';
  const content = files.get(SIGNATURE_NAME)?.content;
  if (!content)
    return {
      what,
      detail: `no ${SIGNATURE_NAME} in the image`,
      state: isTrusting(trusted) ? 'wrong' : 'missing',
    };
  if (!isTrusting(trusted)) return { what, detail: 'no key was given to verify it', state: 'stated' };
  try {
    const signed = readSignedModel(readBundle(content), trusted, Date.now());
    const all = manifest.files.map(({ path }) => ({ path, ...files.get(path)! }));
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
  dependencies: readonly Dependency[],
  { sources }: ChainOptions,
): Link[] {
  const metadata = files.get('metadata.json');
  if (!metadata?.content)
    return [{ what: 'training', detail: 'the model has no metadata.json', state: 'missing' }];
  const content: unknown = JSON.parse(metadata.content.toString());
  if (!isRecord(content))
    return [{ what: 'training', detail: 'metadata.json tells nothing', state: 'wrong' }];
  const stated = dependencies.find(({ name }) => name === 'training')?.digest?.sha256;
  const run = content.runUrl ?? content.runId ?? 'a run that is not named';
  const detail = `${run}, commit ${content.gitCommit ?? 'not known'}, trained ${content.trainedAt ?? 'at a time that is not known'}`;
  const links: Link[] = [];
  if (stated === undefined) links.push({ what: 'training', detail, state: 'stated' });
  else if (stated === metadata.sha256) links.push({ what: 'training', detail, state: 'verified' });
  else
    links.push({
      what: 'training',
      detail: 'metadata.json is another one than the provenance names',
      state: 'wrong',
    });
  links.push(notebookLink(content, sources));
  return links;
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
