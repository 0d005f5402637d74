const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** A date in UTC in a custom format of .NET, such as `yyyyMMdd-HHmm`. */
export function formatDate(format: string, date: Date): string {
  return format.replace(/'[^']*'|"[^"]*"|\\.|y+|M+|d+|H+|h+|m+|s+|f+|t+/g, (part) => {
    if (/^['"]/.test(part)) return part.slice(1, -1);
    return part.startsWith('\\') ? part.slice(1) : formatPart(part, date);
  });
}

function formatPart(part: string, date: Date): string {
  const digits = (value: number, least = Math.min(part.length, 2)) => String(value).padStart(least, '0');
  switch (part.charAt(0)) {
    case 'y': {
      const year = date.getUTCFullYear();
      return part.length <= 2 ? digits(year % 100) : digits(year, part.length);
    }
    case 'M':
      return part.length > 2 ? named(MONTHS, date.getUTCMonth(), part) : digits(date.getUTCMonth() + 1);
    case 'd':
      return part.length > 2 ? named(DAYS, date.getUTCDay(), part) : digits(date.getUTCDate());
    case 'H':
      return digits(date.getUTCHours());
    case 'h':
      return digits(date.getUTCHours() % 12 || 12);
    case 'm':
      return digits(date.getUTCMinutes());
    case 's':
      return digits(date.getUTCSeconds());
    case 'f':
      return String(date.getUTCMilliseconds())
        .padStart(3, '0')
        .padEnd(part.length, '0')
        .slice(0, part.length);
    default: {
      const half = date.getUTCHours() < 12 ? 'AM' : 'PM';
      return part.length === 1 ? half.charAt(0) : half;
    }
  }
}

/** Three letters in a format give the short name, more the whole one. */
function named(names: readonly string[], index: number, part: string): string {
  return part.length === 3 ? names[index]!.slice(0, 3) : names[index]!;
}
