/** Which version of a registered model is meant. */
export type VersionWish =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'alias'; readonly alias: string }
  | { readonly kind: 'latest' };

const FORMS = "Give a version's number, such as 3, an alias, such as @champion, or latest.";

/** Words of the registry that Unity Catalog replaced, for how far a version had come. */
const STAGES = /^(none|staging|production|archived)$/i;

/**
 * Reads which version is meant, as Unity Catalog numbers them.
 *
 * @returns what is wrong with it otherwise, going on from the input's name
 */
export function parseVersionWish(text: string): VersionWish | string {
  if (/^[1-9]\d{0,14}$/.test(text)) return { kind: 'number', number: Number(text) };
  if (/^@[\w-]{1,255}$/.test(text)) return { kind: 'alias', alias: text.slice(1) };
  if (/^latest$/i.test(text)) return { kind: 'latest' };
  const number = /^v(?:ersion)?[ ._-]*(\d+)$/i.exec(text)?.[1];
  if (number !== undefined)
    return `is '${text}', but Unity Catalog numbers versions: give ${Number(number)}.`;
  if (STAGES.test(text)) return `is '${text}', a stage, which Unity Catalog does not have. ${FORMS}`;
  if (/^[a-z][\w-]*$/i.test(text))
    return `is '${text}', which is no number. If it is an alias, write '@${text}'. ${FORMS}`;
  return `is '${text}', but versions of Unity Catalog have whole numbers from 1 on, and no ranges. ${FORMS}`;
}
