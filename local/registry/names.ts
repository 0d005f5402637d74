/** The grammar of names in the registry protocol, as sources for regular expressions (OCI distribution specification). */
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';

export const REPOSITORY = `${COMPONENT}(?:/${COMPONENT})*`;
export const TAG = '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}';
export const DIGEST = 'sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}';

/** The registry's host, a slash and the repository's name together. */
export const LONGEST_FULL_NAME = 255;

const WHOLE_DIGEST = new RegExp(`^(?:${DIGEST})$`);

export function isDigest(text: string): boolean {
  return WHOLE_DIGEST.test(text);
}
