const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text made safe to stand in HTML, in attributes too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/**
 * A value beside which the page's script puts a button that copies it.
 *
 * @param shown where that is not the value itself
 */
export function copyable(value: string, shown = value): string {
  const full = shown === value ? '' : ` title="${escapeHtml(value)}" data-copy="${escapeHtml(value)}"`;
  return `<span class="copy"><code${full}>${escapeHtml(shown)}</code></span>`;
}

/** As much of a digest as a person compares, without the name of its algorithm. */
export function shortDigest(digest: string): string {
  return digest.replace(/^(?:sha256:)?([0-9a-f]{12})[0-9a-f]{20,}$/, '$1…');
}

/** A link to an address that a run named, where that is one of the web; else its text. */
export function webLink(address: string | undefined, text: string): string {
  return address && /^https?:\/\//i.test(address)
    ? `<a href="${escapeHtml(address)}" rel="noreferrer">${escapeHtml(text)}</a>`
    : escapeHtml(text);
}
