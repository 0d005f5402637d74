import { COMMON_FUNCTIONS, type FunctionTable } from './functions';
import { ExpressionError, lookUp, type Value, type ValueMap } from './values';

/** What names and functions an expression may use. */
export interface Names {
  readonly values: ValueMap;
  readonly functions?: FunctionTable;
}

type Expression =
  | { kind: 'literal'; value: Value }
  | { kind: 'name'; name: string }
  | { kind: 'index'; target: Expression; key: Expression }
  | { kind: 'call'; name: string; args: Expression[] };

type Token = { kind: 'string' | 'number' | 'word' | 'sign' | 'end'; text: string };

const tokenPattern =
  /\s*(?:(?<string>'(?:[^']|'')*')|(?<number>-?\.?\d[\d.]*)|(?<word>[A-Za-z_]\w*)|(?<sign>[()[\],.*]))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.trimEnd().length) {
    const start = tokenPattern.lastIndex;
    const found = tokenPattern.exec(text);
    if (!found?.groups) {
      throw new ExpressionError(
        `Unexpected '${text.slice(start).trim()}' in the expression '${text.trim()}'.`,
      );
    }
    const [kind, value] = Object.entries(found.groups).find(([, part]) => part !== undefined)!;
    tokens.push({ kind: kind as Token['kind'], text: value });
  }
  return [...tokens, { kind: 'end', text: '' }];
}

/** Recursive descent over `name(args)`, `.property`, `['index']` and literals; there are no operators. */
class Parser {
  private readonly tokens: Token[];
  private position = 0;

  constructor(private readonly source: string) {
    this.tokens = tokenize(source);
  }

  parse(): Expression {
    const expression = this.expression();
    if (this.peek().kind !== 'end') this.fail();
    return expression;
  }

  private expression(): Expression {
    let target = this.primary();
    for (;;) {
      if (this.accept('.')) {
        const property = this.next();
        if (property.kind !== 'word') this.fail(property);
        target = { kind: 'index', target, key: { kind: 'literal', value: property.text } };
      } else if (this.accept('[')) {
        target = { kind: 'index', target, key: this.expression() };
        this.expect(']');
      } else return target;
    }
  }

  private primary(): Expression {
    const token = this.next();
    if (token.kind === 'string')
      return { kind: 'literal', value: token.text.slice(1, -1).replaceAll("''", "'") };
    if (token.kind === 'number') {
      const value = Number(token.text);
      if (Number.isNaN(value))
        throw new ExpressionError(`'${token.text}' is no number; quote it to use it as text.`);
      return { kind: 'literal', value };
    }
    if (token.kind !== 'word') this.fail(token);
    if (this.accept('(')) return { kind: 'call', name: token.text, args: this.args() };
    const constants: Record<string, Value> = { true: true, false: false, null: null };
    const constant = constants[token.text.toLowerCase()];
    return constant === undefined ? { kind: 'name', name: token.text } : { kind: 'literal', value: constant };
  }

  private args(): Expression[] {
    if (this.accept(')')) return [];
    const args = [this.expression()];
    while (this.accept(',')) args.push(this.expression());
    this.expect(')');
    return args;
  }

  private peek(): Token {
    return this.tokens[this.position]!;
  }
  private next(): Token {
    return this.tokens[this.position++]!;
  }
  private accept(sign: string): boolean {
    if (this.peek().kind !== 'sign' || this.peek().text !== sign) return false;
    this.position++;
    return true;
  }
  private expect(sign: string): void {
    if (!this.accept(sign)) this.fail();
  }
  private fail(token = this.peek()): never {
    const source = `the expression '${this.source.trim()}'`;
    throw new ExpressionError(
      token.kind === 'end'
        ? `Something is missing at the end of ${source}.`
        : `Unexpected '${token.text}' in ${source}.`,
    );
  }
}

function compute(expression: Expression, names: Names): Value {
  if (expression.kind === 'literal') return expression.value;
  if (expression.kind === 'index') {
    return lookUp(compute(expression.target, names), compute(expression.key, names));
  }
  if (expression.kind === 'name') {
    const name = Object.keys(names.values).find(
      (known) => known.toLowerCase() === expression.name.toLowerCase(),
    );
    if (name !== undefined) return names.values[name]!;
    throw new ExpressionError(
      `'${expression.name}' means nothing here; known are: ${Object.keys(names.values).join(', ')}.`,
    );
  }
  const key = expression.name.toLowerCase();
  const called = names.functions?.[key] ?? COMMON_FUNCTIONS[key];
  if (!called)
    throw new ExpressionError(`The local agent does not know the function ${expression.name}() here.`);
  const [least, most] = called.arguments;
  if (expression.args.length < least || expression.args.length > most) {
    throw new ExpressionError(`${expression.name}() was given ${expression.args.length} arguments.`);
  }
  return called.call(expression.args.map((argument) => () => compute(argument, names)));
}

/**
 * Evaluates one expression without its `${{ }}` or `$[ ]`.
 * @throws ExpressionError when it is malformed or uses a name or function that is not known.
 */
export function evaluate(text: string, names: Names): Value {
  return compute(new Parser(text).parse(), names);
}
