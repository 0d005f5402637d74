/** A logging command, such as `##vso[task.setvariable variable=x]value`. */
export interface Command {
  readonly area: string;
  readonly event: string;
  /** By lower-case name. */
  readonly properties: Map<string, string>;
  readonly data: string;
}

export const COMMAND_KEYWORD = '##vso';
const PREFIX = `${COMMAND_KEYWORD}[`;

/**
 * Reads the logging command in a line; text before it is dropped.
 * @param decodePercents whether `%AZP25` is `%` (the agent's knob DECODE_PERCENTS, on by default)
 * @returns undefined when the line holds none that is well formed
 */
export function parseCommand(line: string, decodePercents = true): Command | undefined {
  const start = line.indexOf(PREFIX);
  const end = start < 0 ? -1 : line.indexOf(']', start);
  if (end < 0) return undefined;

  const header = line.slice(start + PREFIX.length, end);
  const space = header.indexOf(' ');
  const names = (space < 0 ? header : header.slice(0, space)).split('.').filter((part) => part !== '');
  const [area, event] = names;
  if (names.length !== 2 || !area || !event) return undefined;

  const properties = new Map<string, string>();
  for (const property of space < 0 ? [] : header.slice(space + 1).split(';')) {
    // Empty parts do not count, so `k=` has no value and is dropped, and `k==v` is the same as `k=v`.
    const [, name, value] = /^=*([^=]+)=+(.+)$/s.exec(property) ?? [];
    if (name && value) properties.set(name.toLowerCase(), unescapeCommand(value, decodePercents));
  }
  return { area, event, properties, data: unescapeCommand(line.slice(end + 1), decodePercents) };
}

/** Undoes the escaping of a command's property or data. */
export function unescapeCommand(text: string, decodePercents = true): string {
  const unescaped = text
    .replaceAll('%3B', ';')
    .replaceAll('%0D', '\r')
    .replaceAll('%0A', '\n')
    .replaceAll('%5D', ']');
  return decodePercents ? unescaped.replaceAll('%AZP25', '%') : unescaped;
}

/** Escapes a text the way a command's property is written. */
export function escapeCommand(text: string, encodePercents = true): string {
  const escaped = encodePercents ? text.replaceAll('%', '%AZP25') : text;
  return escaped
    .replaceAll(';', '%3B')
    .replaceAll('\r', '%0D')
    .replaceAll('\n', '%0A')
    .replaceAll(']', '%5D');
}
