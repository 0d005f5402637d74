const known = new Set<string>();

/** Shorter values would blank out half the log, and protect nothing. */
const SHORTEST = 3;

/**
 * Every form in which a secret may turn up in a log. The agent masks by line and by literal value, so each line of a
 * multi-line secret, its URL encoding, its base64 form and that of `user:secret` must be known one by one.
 */
export function derivedForms(secret: string, username?: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  const forms = [secret.trim(), ...lines].flatMap((value) => [
    value,
    encodeURIComponent(value),
    Buffer.from(value).toString('base64'),
  ]);
  if (username) forms.push(Buffer.from(`${username}:${secret.trim()}`).toString('base64'));
  return [...new Set(forms)].filter((form) => form.length >= SHORTEST && !form.includes('\n'));
}

/** Remembers a secret in all its forms and returns those that were not known before. */
export function rememberSecret(secret: string, username?: string): string[] {
  const fresh = derivedForms(secret, username).filter((form) => !known.has(form));
  for (const form of fresh) known.add(form);
  return fresh;
}

/**
 * Replaces every known secret in a text by `***`. The agent masks its log, but neither uploaded files nor
 * summaries: those must pass through here.
 */
export function redact(text: string): string {
  let redacted = text;
  for (const form of [...known].sort((a, b) => b.length - a.length))
    redacted = redacted.replaceAll(form, '***');
  return redacted;
}
