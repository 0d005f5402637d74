/** A number of bytes as a person reads it: `0 B`, `1.5 KB`, `300 MB`; in powers of 1,000, as disks and links count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds as a person reads them: `0.4 s`, `12 s`, `3 min 5 s`, `5 min`, `2 h 10 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return inTwo(seconds, 'min', 's');
  return inTwo(Math.round(seconds / 60), 'h', 'min');
}

function inTwo(count: number, unit: string, sixtieth: string): string {
  const rest = count % 60;
  return `${Math.floor(count / 60)} ${unit}${rest === 0 ? '' : ` ${rest} ${sixtieth}`}`;
}

/** `1 file`, `2 files`. */
export function plural(count: number, noun: string): string {
  // Node takes 15 ms to load what `toLocaleString` needs.
  const grouped = String(count).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${grouped} ${noun}${count === 1 ? '' : 's'}`;
}

/** The first few of some names, and how many more there are: `a, b and 3 more`. */
export function enumerate(names: readonly string[], most: number): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The candidates that look most like a name that was not found, best first. */
export function nearest(name: string, candidates: readonly string[], count = 5): string[] {
  const wanted = name.toLowerCase();
  return candidates
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** Levenshtein's distance: how many letters must be put in, taken out or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** A text of its own: a slice keeps all of the text in memory that it was cut from. */
export function detach(text: string): string {
  return Buffer.from(text).toString();
}
