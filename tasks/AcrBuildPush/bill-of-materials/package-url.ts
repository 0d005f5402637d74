import type { Package, System } from './packages';

/*
 * Package URLs by the specification of the same name (purl-spec), with the qualifiers that scanners look for in the
 * databases of distributions.
 */

/** The name that a distribution goes by: `debian-13`. */
function distributionOf({ id, version }: System): string {
  return version ? `${id}-${version}` : id;
}

/** A Python package's name as the index compares it (PEP 503). */
function pythonName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

/** What a package goes by everywhere. */
export function packageUrl({ type, name, version, qualifiers }: Package, system: System | undefined): string {
  if (type === 'pypi') return format({ type, name: pythonName(name), version });
  if (type === 'conda') return format({ type, name: name.toLowerCase(), version, qualifiers });
  const distro = system && distributionOf(system);
  // Where nothing tells the distribution, the manager tells the family.
  const namespace = system?.id ?? { deb: 'debian', apk: 'alpine' }[type];
  return format({ type, namespace, name, version, qualifiers: { ...qualifiers, ...(distro && { distro }) } });
}

/**
 * What an image goes by: by its digest, wherever it lies.
 *
 * @param name with its registry, without a tag
 * @param digest undefined where only its name is known
 */
export function imageUrl(
  name: string,
  digest: string | undefined,
  { architecture, tag }: { readonly architecture?: string; readonly tag?: string | undefined } = {},
): string {
  const short = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const qualifiers = {
    ...(architecture && { arch: architecture }),
    repository_url: name,
    ...(tag && { tag }),
  };
  return format({ type: 'oci', name: short, version: digest, qualifiers });
}

/** What a model goes by: by MLflow's registry where it comes from there, else by its name alone. */
export function modelUrl(
  name: string,
  version: string,
  source: Readonly<Record<string, unknown>> = {},
): string {
  const { registryType, host } = source;
  if (registryType === 'unityCatalog' && typeof host === 'string') {
    return format({ type: 'mlflow', name, version, qualifiers: { repository_url: `https://${host}` } });
  }
  return format({ type: 'generic', name, version });
}

interface Parts {
  readonly type: string;
  readonly namespace?: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly qualifiers?: Readonly<Record<string, string>> | undefined;
}

function format({ type, namespace, name, version, qualifiers = {} }: Parts): string {
  const path = [namespace, name].filter((part) => part !== undefined).map(encode);
  const pairs = Object.entries(qualifiers).sort(([a], [b]) => (a < b ? -1 : 1));
  const query = pairs.map(([key, value]) => `${key}=${encode(value).replaceAll('%2F', '/')}`).join('&');
  const at = version === undefined ? '' : `@${encode(version)}`;
  return `pkg:${type}/${path.join('/')}${at}${query && `?${query}`}`;
}

/** The qualifiers of a package URL but the distribution. */
export function qualifiersOf(url: string): Package['qualifiers'] {
  const [, query = ''] = url.split('?');
  const pairs = query.split('&').flatMap((pair): [string, string][] => {
    const [key = '', value = ''] = pair.split('=');
    return key && key !== 'distro' ? [[key, decode(value)]] : [];
  });
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
}

/** As in an address, and what the specification reserves beside that. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
