import { readJson, recordOf } from '../../common/json';
import { HIDING_PROPERTY, LAYER_PROPERTY, NOT_READ_PROPERTY, TOOL } from './document';
import type { Finding } from './findings';
import type { Found, Inventory } from './inventory';
import { qualifiersOf } from './package-url';
import { isPackageType } from './packages';

/** Values in a document, at most: an image of thousands of packages has a tenth. */
const MOST_VALUES = 1_000_000;

/**
 * What an earlier bill of materials of this step tells of its image's layers, so that those that the next image has as
 * well need not be read again.
 *
 * @returns undefined for a document of somebody else, and for one that is not understood
 */
export function readNotes(document: Buffer): Inventory | undefined {
  const { metadata, components } = recordOf(readJson(document, MOST_VALUES));
  const { tools, properties } = recordOf(metadata);
  const [tool] = listOf(recordOf(tools).components);
  if (recordOf(tool).name !== TOOL) return undefined;
  const valuesOf = (name: string) =>
    listOf(properties)
      .map(recordOf)
      .flatMap((one) => (one.name === name && typeof one.value === 'string' ? [one.value] : []));
  const layers = valuesOf(LAYER_PROPERTY);
  if (layers.length === 0) return undefined;
  const files = new Map<string, Found>();
  for (const { path, layer, finding } of listOf(components).map(recordOf).flatMap(placesOf)) {
    const before = files.get(path)?.finding;
    const packages = [before, finding].flatMap((one) => (one?.kind === 'packages' ? one.packages : []));
    files.set(path, { layer, finding: packages.length > 0 ? { kind: 'packages', packages } : finding });
  }
  let unknown = 0;
  for (const remark of valuesOf(NOT_READ_PROPERTY)) {
    const [, path, number, why] = /^\/(.*) in layer (\d+): (.*)$/s.exec(remark) ?? [];
    if (path) files.set(path, { layer: Number(number) - 1, finding: { kind: 'unread', why: why! } });
    else unknown = Number(/^layers? (?:1 to )?(\d+) of/.exec(remark)?.[1] ?? layers.length);
  }
  const hiding = valuesOf(HIDING_PROPERTY).flatMap((numbers) =>
    numbers.split(' ').map((one) => Number(one) - 1),
  );
  return { layers, unknown, files, hiding };
}

/** Where a component was found, and what it says of the file there. */
function placesOf(component: Record<string, unknown>): { path: string; layer: number; finding: Finding }[] {
  const finding = findingOf(component);
  if (!finding) return [];
  return listOf(recordOf(component.evidence).occurrences)
    .map(recordOf)
    .flatMap(({ location, additionalContext }) => {
      const [, path] = /^\/(.+)$/s.exec(String(location)) ?? [];
      const [, number] = /^layer ([1-9]\d*)$/.exec(String(additionalContext)) ?? [];
      return path && number ? [{ path, layer: Number(number) - 1, finding }] : [];
    });
}

function findingOf({ type, name, version, purl, description }: Record<string, unknown>): Finding | undefined {
  if (typeof name !== 'string') return undefined;
  if (type === 'operating-system') {
    const texts = Object.entries({ version, title: description }).filter(
      ([, text]) => typeof text === 'string',
    );
    return { kind: 'system', system: { id: name, ...Object.fromEntries(texts) } };
  }
  const [, kind = ''] = /^pkg:([a-z]+)\//.exec(String(purl)) ?? [];
  if (typeof version !== 'string' || !isPackageType(kind)) return undefined;
  const qualifiers = qualifiersOf(String(purl));
  return { kind: 'packages', packages: [{ type: kind, name, version, ...(qualifiers && { qualifiers }) }] };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
