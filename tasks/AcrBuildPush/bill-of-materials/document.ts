import { createHash } from 'node:crypto';
import { type Component, hashesOf, property } from './component';
import type { Found, Inventory } from './inventory';
import { LOOKED_FOR } from './package-files';
import { imageUrl, packageUrl } from './package-url';
import type { Package, System } from './packages';

/** The media type of the document, by which tools find it beside an image. */
export const CYCLONEDX = 'application/vnd.cyclonedx+json';

/** By which the step knows its own documents again. */
export const TOOL = 'AcrBuildPush';

/** How the properties of this step begin. */
const OWN = 'acr-build-push';
export const LAYER_PROPERTY = `${OWN}:layer`;
export const NOT_READ_PROPERTY = `${OWN}:not-read`;
export const HIDING_PROPERTY = `${OWN}:hiding-layers`;

/** What a bill of materials is of. */
export interface BillSubject {
  /** `<login server>/<repository>` */
  readonly name: string;
  readonly digest: string;
  readonly architecture: string;
  /** When the image was made, as it says. */
  readonly created: string | undefined;
  /** What it is built on. */
  readonly base: { readonly name: string; readonly digest: string | undefined } | undefined;
}

/**
 * What an image is made of, as a document by CycloneDX 1.6. The same image gives the same document: its time is that of
 * the image, and its number comes from the image's digest.
 *
 * @param version of the step
 * @param model the component of the model in the image
 */
export function billOfMaterials(
  subject: BillSubject,
  inventory: Inventory,
  model: Component | undefined,
  version: string,
): Buffer {
  const url = imageUrl(subject.name, subject.digest, { architecture: subject.architecture });
  const components = [
    ...(subject.base ? [baseComponent(subject.base)] : []),
    ...(model ? [model] : []),
    ...packageComponents(inventory),
  ].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1));
  const remarks = remarksOn(inventory);
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(`${subject.name}@${subject.digest}`)}`,
    version: 1,
    metadata: {
      ...(subject.created && { timestamp: subject.created }),
      lifecycles: [{ phase: 'build' }],
      tools: { components: [{ type: 'application', name: TOOL, version }] },
      component: {
        type: 'container',
        'bom-ref': url,
        name: subject.name,
        version: subject.digest,
        hashes: hashesOf(subject.digest),
        purl: url,
      },
      properties: [
        property(`${OWN}:looked-for`, LOOKED_FOR),
        ...inventory.layers.map((layer) => property(LAYER_PROPERTY, layer)),
        ...remarks.map((remark) => property(NOT_READ_PROPERTY, remark)),
        ...(inventory.hiding.length > 0
          ? [property(HIDING_PROPERTY, inventory.hiding.map((layer) => layer + 1).join(' '))]
          : []),
      ],
    },
    components,
    dependencies: [{ ref: url, dependsOn: components.map((component) => component['bom-ref']) }],
    // What is of no package manager is not looked for, so that it can't be called complete.
    compositions: [{ aggregate: remarks.length > 0 ? 'incomplete' : 'unknown', assemblies: [url] }],
  };
  return Buffer.from(JSON.stringify(document));
}

/** What was not read, for people; nothing where all was. */
export function remarksOn({ layers, unknown, files }: Inventory): string[] {
  const remarks: string[] = [];
  if (unknown > 0) remarks.push(unknownRemark(unknown, layers.length));
  for (const [path, { layer, finding }] of files) {
    if (finding.kind === 'unread') remarks.push(`/${path} in layer ${layer + 1}: ${finding.why}`);
  }
  return remarks;
}

function unknownRemark(unknown: number, all: number): string {
  return unknown === 1
    ? `layer 1 of ${all}: what it holds was not looked at`
    : `layers 1 to ${unknown} of ${all}: what they hold was not looked at`;
}

/** The system that the layers make, of which others in the image's folders don't count. */
function systemOf({
  files,
}: Inventory): (System & { readonly path: string; readonly layer: number }) | undefined {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    const found = files.get(path);
    if (found?.finding.kind === 'system') return { ...found.finding.system, path, layer: found.layer };
  }
  return undefined;
}

function packageComponents(inventory: Inventory): Component[] {
  const system = systemOf(inventory);
  const components = new Map<string, Component & { evidence: { occurrences: object[] } }>();
  for (const [path, { layer, finding }] of [...inventory.files].sort(byPath)) {
    if (finding.kind !== 'packages') continue;
    for (const one of finding.packages) {
      const url = packageUrl(one, system);
      const known = components.get(url);
      if (known) known.evidence.occurrences.push(occurrence(path, layer));
      else components.set(url, packageComponent(one, url, occurrence(path, layer)));
    }
  }
  return [...(system ? [systemComponent(system)] : []), ...components.values()];
}

function packageComponent({ name, version }: Package, url: string, place: object) {
  return {
    type: 'library',
    'bom-ref': url,
    name,
    version,
    purl: url,
    evidence: { occurrences: [place] },
  };
}

function systemComponent({
  id,
  version,
  title,
  path,
  layer,
}: NonNullable<ReturnType<typeof systemOf>>): Component {
  return {
    type: 'operating-system',
    'bom-ref': `os:${id}@${version ?? ''}`,
    name: id,
    ...(version && { version }),
    ...(title && { description: title }),
    evidence: { occurrences: [occurrence(path, layer)] },
  };
}

function baseComponent({ name, digest }: NonNullable<BillSubject['base']>): Component {
  if (digest === undefined) return { type: 'container', 'bom-ref': `base:${name}`, name };
  const url = imageUrl(name.replace(/@.*$|:[^:/]*$/, ''), digest);
  return { type: 'container', 'bom-ref': url, name, version: digest, hashes: hashesOf(digest), purl: url };
}

/** Where a component was found. Layers are counted from 1, at the bottom. */
function occurrence(path: string, layer: number) {
  return { location: `/${path}`, additionalContext: `layer ${layer + 1}` };
}

function byPath([a]: [string, Found], [b]: [string, Found]): number {
  return a < b ? -1 : 1;
}

/** A number that is the same for the same text (RFC 9562, version 8, from its SHA-256). */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
