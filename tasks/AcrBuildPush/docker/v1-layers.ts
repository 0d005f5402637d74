import { createHash } from 'node:crypto';

/*
 * Engines before 25 save every layer in a folder that is named by the layer's id in the format of images of docker's
 * first version (moby, `image/v1/imagev1.go`): a digest over the `json` beside the layer with the layer's chain id
 * in it. Only the last file of the archive tells which layer is which; by these ids it is known at once.
 */

/**
 * Finds out which layer a folder of the archive holds.
 *
 * @param folder the folder's name
 * @param json the file `json` in it
 * @param diffIds those of the image's layers, from the bottom
 * @returns its diff id; undefined where it can't be told
 */
export function layerInFolder(folder: string, json: Buffer, diffIds: readonly string[]): string | undefined {
  const { id, os, parent, ...settings } = JSON.parse(json.toString('utf8'));
  // The topmost layer's settings are the image's own, with the system that it is for.
  const forms = [settings, { ...settings, os }];
  const chain = chainIds(diffIds);
  return diffIds.find((_, index) =>
    forms.some((form) => {
      const named = { ...form, layer_id: chain[index], ...(parent && { parent: `sha256:${parent}` }) };
      return hexDigest(encodeAsGo(named)) === folder;
    }),
  );
}

/** What a layer and those below it are together (OCI image specification, "Layer ChainID"). */
function chainIds(diffIds: readonly string[]): string[] {
  const ids: string[] = [];
  for (const diffId of diffIds) {
    const below = ids.at(-1);
    ids.push(below === undefined ? diffId : `sha256:${hexDigest(`${below} ${diffId}`)}`);
  }
  return ids;
}

/** JSON as Go writes a map: its keys in order, and no characters in it that mean something in HTML. */
function encodeAsGo(fields: Readonly<Record<string, unknown>>): string {
  const pairs = Object.keys(fields)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${JSON.stringify(fields[key])}`);
  return `{${pairs.join(',')}}`.replace(
    /[<>&\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function hexDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
