import { escapeHtml } from './html';

/** How text looks: classes `f0`…`f15` and `b0`…`b15` of the style sheet for the colors, and others for the rest. */
interface Look {
  readonly front?: number | undefined;
  readonly back?: number | undefined;
  readonly styles: ReadonlySet<string>;
}

const PLAIN: Look = { styles: new Set() };

/** Codes of SGR that switch a style on, and those that switch it off again (ECMA-48, 8.3.117). */
const STYLES: Readonly<Record<number, string>> = {
  1: 'bold',
  2: 'dim',
  3: 'italic',
  4: 'under',
  9: 'strike',
};
const ENDS: Readonly<Record<number, readonly string[]>> = {
  22: ['bold', 'dim'],
  23: ['italic'],
  24: ['under'],
  29: ['strike'],
};

// Sequences for colors, then those for everything else: cursor movements, titles and links, and lone ones.
const SEQUENCE =
  /\u001b\[([\d;:]*)m|\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;

/** Turns what programs color a terminal with into HTML. Colors last over line ends, as in a terminal. */
export class AnsiReader {
  private look = PLAIN;

  /** The line as HTML; all else that steers a terminal is left out. */
  read(line: string): string {
    let html = '';
    let end = 0;
    for (const match of line.matchAll(SEQUENCE)) {
      html += this.show(line.slice(end, match.index));
      end = match.index + match[0].length;
      if (match[1] !== undefined) this.look = changed(this.look, match[1]);
    }
    return html + this.show(line.slice(end));
  }

  reset(): void {
    this.look = PLAIN;
  }

  private show(text: string): string {
    if (text === '') return '';
    const { front, back, styles } = this.look;
    const classes = [...styles];
    if (front !== undefined) classes.push(`f${front}`);
    if (back !== undefined) classes.push(`b${back}`);
    // Other control characters would be dropped or shown as boxes.
    const html = escapeHtml(text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, ''));
    return classes.length === 0 ? html : `<span class="${classes.join(' ')}">${html}</span>`;
  }
}

/** The text of a line without what steers a terminal. */
export function withoutAnsi(line: string): string {
  return line.includes('\u001b') ? line.replace(SEQUENCE, '') : line;
}

function changed(look: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map(Number);
  let { front, back } = look;
  let styles = new Set(look.styles);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!;
    if (code === 0) [front, back, styles] = [undefined, undefined, new Set()];
    else if (STYLES[code]) styles.add(STYLES[code]);
    else if (ENDS[code]) for (const style of ENDS[code]) styles.delete(style);
    else if (code === 38 || code === 48) {
      const [color, taken] = extendedColor(codes.slice(at + 1));
      if (code === 38) front = color;
      else back = color;
      at += taken;
    } else if (code === 39) front = undefined;
    else if (code === 49) back = undefined;
    else if (code >= 30 && code <= 37) front = code - 30;
    else if (code >= 90 && code <= 97) front = code - 82;
    else if (code >= 40 && code <= 47) back = code - 40;
    else if (code >= 100 && code <= 107) back = code - 92;
  }
  return { front, back, styles };
}

/** `5;n` of 256 colors or `2;r;g;b`, as the nearest of 16; and how many codes that took. */
function extendedColor([kind, ...values]: number[]): [color: number | undefined, taken: number] {
  if (kind === 2) return [nearest(values[0] ?? 0, values[1] ?? 0, values[2] ?? 0), 4];
  const [number = 0] = values;
  if (kind !== 5) return [undefined, 1];
  if (number < 16) return [number, 2];
  if (number >= 232) return [number < 244 ? 8 : 7, 2];
  const part = (unit: number) => (Math.floor((number - 16) / unit) % 6) * 51;
  return [nearest(part(36), part(6), part(1)), 2];
}

function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  if (most < 64) return 8;
  const bits = [red, green, blue].map((value, index) => (value > most * 0.6 ? 1 << index : 0));
  return bits.reduce((sum, bit) => sum + bit, most > 190 ? 8 : 0);
}
