export type Span = [start: number, end: number];

/** How much of each text the first look at a line compares. */
const FIRST_LOOK = 8;

/** Finds many texts in one in a single pass, so that a long log is not searched once for each of them. */
export class SecretIndex {
  /** Tells at once of most lines that none of the texts is in them. */
  private readonly hint: RegExp;
  /** Whether any of the texts begins with a character. */
  private readonly begins = new Uint8Array(0x1_0000);
  private readonly byBeginning = new Map<number, string[]>();
  private readonly ofOneCharacter: string[] = [];

  constructor(texts: Iterable<string>) {
    const heads = new Set([...texts].map((text) => escaped(text.slice(0, FIRST_LOOK))));
    this.hint = heads.size > 0 ? new RegExp([...heads].join('|')) : /(?!)/;
    for (const text of texts) {
      if (text.length === 1) {
        this.ofOneCharacter.push(text);
        continue;
      }
      this.begins[text.charCodeAt(0)] = 1;
      const key = beginning(text, 0);
      this.byBeginning.set(key, [...(this.byBeginning.get(key) ?? []), text]);
    }
  }

  /** Every place where one of the texts stands, those that overlap included. */
  find(text: string): Span[] {
    const spans: Span[] = [];
    const first = text.search(this.hint);
    if (first < 0) return spans;
    for (let at = first; at < text.length - 1; at++) {
      if (this.begins[text.charCodeAt(at)] === 0) continue;
      for (const candidate of this.byBeginning.get(beginning(text, at)) ?? []) {
        if (text.startsWith(candidate, at)) spans.push([at, at + candidate.length]);
      }
    }
    for (const character of this.ofOneCharacter) {
      for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) {
        spans.push([at, at + 1]);
      }
    }
    return spans;
  }
}

/** A text as a pattern that matches nothing else. */
function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Two characters as one number. */
function beginning(text: string, at: number): number {
  return text.charCodeAt(at) * 0x1_0000 + text.charCodeAt(at + 1);
}
