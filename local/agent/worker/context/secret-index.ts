export type Span = [start: number, end: number];

/** Finds many texts in one in a single pass, so that a long log is not searched once for each of them. */
export class SecretIndex {
  /** Whether any of the texts begins with a character. */
  private readonly begins = new Uint8Array(0x1_0000);
  private readonly byBeginning = new Map<number, string[]>();
  private readonly ofOneCharacter: string[] = [];

  constructor(texts: Iterable<string>) {
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
    for (let at = 0; at < text.length - 1; at++) {
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

/** Two characters as one number. */
function beginning(text: string, at: number): number {
  return text.charCodeAt(at) * 0x1_0000 + text.charCodeAt(at + 1);
}
