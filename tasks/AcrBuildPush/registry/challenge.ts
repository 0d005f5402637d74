/** How a registry wants to be asked, from the `WWW-Authenticate` header of its 401. */
export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly parameters: Readonly<Record<string, string>>;
}

/** Longer ones are no challenges. */
const LONGEST_HEADER = 8 * 1024;

/**
 * One piece of the header (RFC 9110, section 11): a parameter, or the scheme that begins the next challenge. A scheme
 * may be followed by a token in place of parameters, which nobody here needs.
 */
const PIECE =
  /[\s,]*(?:([\w-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]+))|([\w-]+)(?:\s+[\w.~+/-]+=*(?=\s*(?:,|$)))?)/gy;

/**
 * Reads the challenges of a header, which may name several. Of those that are understood, the one for tokens counts:
 * it does not take the password to the registry with every request.
 */
export function parseChallenge(header: string | null): Challenge | undefined {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const [, name, quoted, plain, scheme] of (header ?? '').slice(0, LONGEST_HEADER).matchAll(PIECE)) {
    if (scheme) {
      challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
      continue;
    }
    const parameters = challenges.at(-1)?.parameters;
    if (parameters) parameters[name!.toLowerCase()] ??= quoted?.replace(/\\(.)/g, '$1') ?? plain!;
  }
  const found = (['bearer', 'basic'] as const).flatMap((scheme) =>
    challenges.filter((one) => one.scheme === scheme).map(({ parameters }) => ({ scheme, parameters })),
  );
  return found[0];
}
