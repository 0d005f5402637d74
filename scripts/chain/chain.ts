import { isRecord, readJson } from '../../tasks/common/json';
import { type Attached, type Attachments, readAttachments } from './attachments';
import { type ChainOptions, type Dependency, isTrusting, type Link } from './link';
import { modelsOf } from './model-links';
import type { Descriptor, Manifest, Registry } from './registry';

const PROVENANCE = 'https://slsa.dev/provenance/v1';
/** By which cosign says that an image is signed, and no more. */
const SIGNED = 'https://sigstore.dev/cosign/sign/v1';
const BILL = /cyclonedx/i;

/** Values in a bill of materials, at most. */
const MOST_VALUES = 1_000_000;

/** Walks from an image to the notebook that its model comes from, and holds each part against the others. */
export async function walkChain(
  registry: Registry,
  version: string,
  options: ChainOptions,
): Promise<readonly Link[]> {
  const image = await registry.manifest(version);
  const platforms = await platformsOf(registry, image);
  const names = platforms.map(({ name }) => name).filter(Boolean);
  const detail = [image.digest, ...(names.length > 0 ? [`for ${names.join(', ')}`] : [])].join(', ');
  const attachments = await readAttachments(registry, image, options.imageKeys);
  const { statements, faults } = attachments;
  const provenances = bestOf(statements.filter(({ statement }) => statement.predicateType === PROVENANCE));
  const dependencies = provenances.map(dependenciesOf);
  const models = await Promise.all(
    platforms.map(({ layers }) => modelsOf(registry, layers, dependencies, options)),
  );
  return [
    { what: 'image', detail, state: 'verified' },
    ...faults.map((fault): Link => ({ what: 'attachment', detail: fault, state: 'wrong' })),
    ...signatureLinks(attachments, options),
    provenanceLink(provenances, options),
    billLink(image.digest, attachments, options),
    ...unique(dependencies.flatMap((some) => statedLinks(some, ['source', 'base-image']))),
    ...together(platforms.map(({ name }, index) => ({ name, links: models[index]! }))),
  ];
}

/** The images of an image: itself, or one for each platform. */
async function platformsOf(
  registry: Registry,
  { content }: Manifest,
): Promise<{ readonly name: string; readonly layers: readonly Descriptor[] }[]> {
  if (content.layers) return [{ name: '', layers: content.layers }];
  // BuildKit notes what it attests of an image as one for no platform.
  const entries = (content.manifests ?? []).filter(({ platform }) => platform?.os !== 'unknown');
  return Promise.all(
    entries.map(async ({ digest, platform = {} }) => {
      const { os, architecture, variant } = platform;
      const name = [os, architecture, variant].filter(Boolean).join('/') || digest;
      return { name, layers: (await registry.manifest(digest)).content.layers ?? [] };
    }),
  );
}

/** What is the same for every platform once, and the rest with the platform that it is of. */
function together(all: readonly { readonly name: string; readonly links: readonly Link[] }[]): Link[] {
  const same = (a: Link, b: Link) => a.what === b.what && a.detail === b.detail && a.state === b.state;
  const isOfAll = (link: Link) => all.every(({ links }) => links.some((other) => same(link, other)));
  const [first] = all;
  return [
    ...(first?.links ?? []).filter(isOfAll),
    ...all.flatMap(({ name, links }) =>
      links.filter((link) => !isOfAll(link)).map((link) => ({ ...link, what: `${link.what} (${name})` })),
    ),
  ];
}

function unique(links: readonly Link[]): Link[] {
  return [...new Map(links.map((link) => [JSON.stringify(link), link])).values()];
}

/** Those that are signed; all where none is. */
function bestOf(attached: readonly Attached[]): readonly Attached[] {
  const signed = attached.filter(({ signedBy }) => signedBy !== undefined);
  return signed.length > 0 ? signed : attached;
}

/** What is said of the image itself: that somebody stands for it. */
function signatureLinks({ statements, signatures }: Attachments, { imageKeys }: ChainOptions): Link[] {
  const what = 'signature';
  const links: Link[] = [];
  const refused = isTrusting(imageKeys) ? 'wrong' : 'stated';
  const [notary] = [...signatures].sort((a, b) => Number(!a.signedBy) - Number(!b.signedBy));
  if (notary) {
    const { signer, signedAt, signedBy, doubt } = notary;
    const detail = `of the Notary Project, by ${signer}, at ${signedAt}`;
    if (signedBy !== undefined)
      links.push({ what, detail: `${detail}, with ${signedBy}`, state: 'verified' });
    else if (refused === 'stated') links.push({ what, detail, state: refused });
    else links.push({ what, detail: `${detail}, but it ${doubt}`, state: refused });
  }
  const [sigstore] = bestOf(statements.filter(({ statement }) => statement.predicateType === SIGNED));
  if (sigstore) {
    const { signedBy } = sigstore;
    const by = signedBy ?? (refused === 'wrong' ? 'none of the given keys' : 'a key that was not given');
    const state = signedBy === undefined ? refused : 'verified';
    links.push({ what, detail: `of Sigstore, with ${by}`, state });
  }
  return links;
}

function provenanceLink(provenances: readonly Attached[], { imageKeys }: ChainOptions): Link {
  const what = 'provenance';
  const [provenance, ...others] = provenances;
  if (!provenance) return { what, detail: 'none is attached', state: 'missing' };
  const more = others.length > 0 ? `, and ${others.length} more` : '';
  const about = `${provenance.digest}${more}, about this image`;
  if (provenance.signedBy !== undefined)
    return { what, detail: `${about}, signed with ${provenance.signedBy}`, state: 'verified' };
  if (isTrusting(imageKeys))
    return { what, detail: `${about}, but signed with none of the given keys`, state: 'wrong' };
  return { what, detail: `${about}; no key was given to verify who says it`, state: 'stated' };
}

function billLink(digest: string, { statements, documents }: Attachments, { imageKeys }: ChainOptions): Link {
  const what = 'bill of materials';
  const [signed] = bestOf(statements.filter(({ statement }) => BILL.test(statement.predicateType ?? '')));
  const plain = documents.find(({ mediaType }) => BILL.test(mediaType));
  const bill = signed?.statement.predicate ?? (plain && readJson(plain.content, MOST_VALUES));
  if (!isRecord(bill)) {
    if (plain) return { what, detail: 'the one that is attached can not be read', state: 'wrong' };
    return { what, detail: 'none is attached', state: 'missing' };
  }
  const components = Array.isArray(bill.components) ? bill.components.length : 0;
  const detail = `${components} components`;
  const component =
    isRecord(bill.metadata) && isRecord(bill.metadata.component) ? bill.metadata.component : {};
  const hashes = Array.isArray(component.hashes) ? component.hashes.filter(isRecord) : [];
  const own = hashes.find(({ alg }) => alg === 'SHA-256')?.content;
  if (own !== undefined && `sha256:${own}` !== digest)
    return { what, detail: `${detail}, but of another image (sha256:${own})`, state: 'wrong' };
  if (signed?.signedBy !== undefined)
    return { what, detail: `${detail}, signed with ${signed.signedBy}`, state: 'verified' };
  const doubt = isTrusting(imageKeys) ? ', signed with none of the given keys' : '';
  return { what, detail: `${detail}${doubt}`, state: 'stated' };
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
