/** The values of a form's inputs, by name. */
export type FormValues = Readonly<Record<string, string>>;

/** One comparison of a rule, such as `authType = token`. */
export interface Comparison {
  readonly input: string;
  readonly operator: (typeof OPERATORS)[number];
  readonly value: string;
}

const OPERATORS = ['NotEndsWith', 'EndsWith', '==', '!=', '='] as const;
const COMPARISON = new RegExp(`^\\s*(\\w+)\\s*(${OPERATORS.join('|')})\\s*(.*?)\\s*$`, 's');

/**
 * Reads a `visibleRule`: comparisons with a fixed text, joined by `&&` or by `||`.
 *
 * @throws when it is none, or mixes the two, which the designers of old servers read in different ways
 */
export function readRule(rule: string): { readonly all: boolean; readonly comparisons: Comparison[] } {
  const all = rule.includes('&&');
  if (all && rule.includes('||')) throw new Error(`the rule '${rule}' mixes && and ||`);
  const comparisons = rule.split(all ? '&&' : '||').map((text) => {
    const [, input, operator, value = ''] = COMPARISON.exec(text) ?? [];
    if (!input || !operator) throw new Error(`the rule '${rule}' has no comparison in '${text.trim()}'`);
    return { input, operator: operator as Comparison['operator'], value: value === '""' ? '' : value };
  });
  return { all, comparisons };
}

/** Whether a form shows what stands under a rule; names and values are compared without case. */
export function isVisible(rule: string | undefined, values: FormValues): boolean {
  if (!rule) return true;
  const { all, comparisons } = readRule(rule);
  const byName = new Map(Object.entries(values).map(([name, value]) => [name.toLowerCase(), value]));
  const holds = ({ input, operator, value }: Comparison) => {
    const [own, wanted] = [byName.get(input.toLowerCase()) ?? '', value].map((text) => text.toLowerCase());
    switch (operator) {
      case '!=':
        return own !== wanted;
      case 'EndsWith':
        return own!.endsWith(wanted!);
      case 'NotEndsWith':
        return !own!.endsWith(wanted!);
      default:
        return own === wanted;
    }
  };
  return all ? comparisons.every(holds) : comparisons.some(holds);
}
