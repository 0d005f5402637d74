import { ExpressionError, fold, type Value, Version } from './values';

export type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly target: Expression; readonly key: Expression }
  | { readonly kind: 'all'; readonly target: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

/** What an expression may use where it stands; an expression that uses anything else is refused when it is read. */
export interface Vocabulary {
  /** Contexts and loop variables. */
  readonly names: readonly string[];
  /** The fewest and the most arguments of each function, by its lower-case name. */
  readonly functions: Readonly<Record<string, readonly [least: number, most: number]>>;
}

/** Functions in functions may not stand deeper than this. */
const DEEPEST = 50;

const CONSTANTS: Readonly<Record<string, Value>> = { true: true, false: false };

/**
 * Reads an expression without its `${{ }}` or `$[ ]`.
 * @throws ExpressionError when it is malformed, or uses a name or a function that is not known where it stands
 */
export function parseExpression(text: string, vocabulary: Vocabulary): Expression {
  return new Parser(text, vocabulary).parse();
}

interface Token {
  readonly kind: 'string' | 'number' | 'word' | 'sign' | 'end';
  readonly text: string;
}

const TOKEN =
  /\s*(?:(?<string>'(?:[^']|'')*')|(?<number>[-.]?\d[\w.]*)|(?<word>[A-Za-z_]\w*)|(?<sign>[()[\],.*]))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const start = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found?.groups) {
      throw new ExpressionError(
        `Unexpected '${text.slice(start).trim()}' in the expression '${text.trim()}'. There are no operators: write eq(a, b), not a == b.`,
      );
    }
    const [kind, value] = Object.entries(found.groups).find(([, part]) => part !== undefined)!;
    tokens.push({ kind: kind as Token['kind'], text: value });
  }
  return [...tokens, { kind: 'end', text: '' }];
}

/** Recursive descent over `name(args)`, `.property`, `.*`, `['index']` and literals; there are no operators. */
class Parser {
  private readonly tokens: Token[];
  private readonly known: ReadonlySet<string>;
  private position = 0;
  /** A name that means nothing; told only when there is nothing wrong with the syntax. */
  private unknown: ExpressionError | undefined;

  constructor(
    private readonly source: string,
    private readonly vocabulary: Vocabulary,
  ) {
    this.tokens = tokenize(source);
    this.known = new Set(vocabulary.names.map(fold));
  }

  parse(): Expression {
    const expression = this.expression(1);
    if (this.peek().kind !== 'end') this.fail();
    if (this.unknown) throw this.unknown;
    return expression;
  }

  private expression(depth: number): Expression {
    if (depth > DEEPEST)
      throw new ExpressionError(`Functions stand more than ${DEEPEST} deep in each other.`);
    let target = this.primary(depth);
    for (;;) {
      if (this.accept('.')) target = this.accept('*') ? { kind: 'all', target } : this.property(target);
      else if (this.accept('[')) {
        if (this.accept('*')) target = { kind: 'all', target };
        else target = { kind: 'index', target, key: this.expression(depth) };
        this.expect(']');
      } else return target;
    }
  }

  private property(target: Expression): Expression {
    const property = this.next();
    if (property.kind !== 'word') this.fail(property);
    return { kind: 'index', target, key: { kind: 'literal', value: property.text } };
  }

  private primary(depth: number): Expression {
    const token = this.next();
    if (token.kind === 'string') {
      return { kind: 'literal', value: token.text.slice(1, -1).replaceAll("''", "'") };
    }
    if (token.kind === 'number') return { kind: 'literal', value: this.number(token) };
    if (token.kind !== 'word') this.fail(token);
    if (this.accept('(')) return this.call(token.text, depth);
    const constant = CONSTANTS[token.text.toLowerCase()];
    if (constant !== undefined) return { kind: 'literal', value: constant };
    if (!this.known.has(fold(token.text))) this.unknown ??= this.unknownName(token.text);
    return { kind: 'name', name: token.text };
  }

  private number({ text }: Token): Value {
    if (/^-?(\d+\.?\d*|\.\d+)$/.test(text)) return Number(text);
    const version = Version.parse(text);
    if (version) return version;
    throw new ExpressionError(`'${text}' is no number; quote it to use it as text.`);
  }

  private call(name: string, depth: number): Expression {
    const range = this.vocabulary.functions[name.toLowerCase()];
    if (!range) {
      this.unknown ??= new ExpressionError(`There is no function ${name}() that can be used here.`);
    }
    const args = this.args(depth + 1);
    if (range && (args.length < range[0] || args.length > range[1])) {
      throw new ExpressionError(`${name}() was given ${args.length} arguments in '${this.source.trim()}'.`);
    }
    return { kind: 'call', name, args };
  }

  private args(depth: number): Expression[] {
    if (this.accept(')')) return [];
    const args = [this.expression(depth)];
    while (this.accept(',')) args.push(this.expression(depth));
    this.expect(')');
    return args;
  }

  private unknownName(name: string): ExpressionError {
    if (this.vocabulary.functions[name.toLowerCase()]) {
      return new ExpressionError(`The function ${name} needs parentheses: ${name}().`);
    }
    const names = this.vocabulary.names.join(', ');
    return new ExpressionError(`'${name}' means nothing here; known are: ${names}.`);
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
