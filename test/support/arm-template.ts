import { createHash } from 'node:crypto';

/** As much of an ARM template as the tests look at. */
export interface ArmTemplate {
  readonly parameters: Record<string, { readonly type: string; readonly defaultValue?: unknown }>;
  readonly variables: Record<string, unknown>;
  readonly resources: readonly ArmResource[];
  readonly outputs: Record<string, { readonly value: unknown }>;
}

export interface ArmResource {
  readonly type: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly condition?: unknown;
  readonly copy?: { readonly name: string; readonly count: unknown };
  readonly scope?: string;
  readonly dependsOn?: readonly string[];
  readonly properties?: Record<string, unknown>;
}

const GROUP = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/models';

/** What only Azure knows while a template is being deployed. */
class OnlyThen extends Error {}

/**
 * The resources of a template as they would be deployed, with all that can be computed before: conditions, loops, names,
 * ids. What only Azure knows, such as the properties of other resources, stays an expression.
 */
export function deployedResources(template: ArmTemplate, given: Record<string, unknown>): ArmResource[] {
  return template.resources.flatMap((resource) => {
    const count = resource.copy ? Number(evaluate(resource.copy.count, template, given, 0)) : 1;
    const { copy: _copy, condition, ...rest } = resource;
    return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
      if (condition !== undefined && evaluate(condition, template, given, index) !== true) return [];
      return [evaluate({ ...rest, dependsOn: [] }, template, given, index) as ArmResource];
    });
  });
}

/** The id that a resource of the group will have. */
export function idOf({ type, name, scope }: ArmResource): string {
  const [provider, ...kinds] = type.split('/');
  const names = name.split('/');
  const path = kinds.map((kind, index) => `${kind}/${names[index]}`).join('/');
  return `${scope ?? GROUP}/providers/${provider}/${path}`;
}

function evaluate(
  value: unknown,
  template: ArmTemplate,
  given: Record<string, unknown>,
  index: number,
): unknown {
  if (Array.isArray(value)) return value.map((item) => evaluate(item, template, given, index));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, evaluate(item, template, given, index)]),
    );
  }
  if (typeof value !== 'string' || !value.startsWith('[')) return value;
  if (value.startsWith('[[')) return value.slice(1);
  try {
    return new Expression(value.slice(1, -1), template, given, index).evaluate();
  } catch (error) {
    if (error instanceof OnlyThen) return value;
    throw error;
  }
}

/** One expression of a template, computed while it is read. */
class Expression {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly template: ArmTemplate,
    private readonly given: Record<string, unknown>,
    private readonly index: number,
  ) {}

  evaluate(): unknown {
    const value = this.value();
    if (this.at !== this.text.length) throw new Error(`'${this.text}' goes on at ${this.at}.`);
    return force(value);
  }

  /** A value, or a function of one that may be known only when it is deployed: `if` asks for one side alone. */
  private value(): Lazy {
    let value = this.term();
    for (;;) {
      if (this.take('.')) {
        const name = this.match(/\w+/y);
        const object = value;
        value = () => (force(object) as Record<string, unknown>)[name];
      } else if (this.take('[')) {
        const key = this.value();
        this.need(']');
        const object = value;
        value = () => (force(object) as Record<string, unknown>)[String(force(key))];
      } else return value;
    }
  }

  private term(): Lazy {
    const text = this.find(/'((?:[^']|'')*)'/y);
    if (text !== undefined) return () => text.slice(1, -1).replaceAll("''", "'");
    const number = this.find(/-?\d+/y);
    if (number !== undefined) return () => Number(number);
    const name = this.match(/\w+/y);
    this.need('(');
    const args: Lazy[] = [];
    while (!this.take(')')) {
      args.push(this.value());
      this.take(', ');
    }
    return () => this.call(name, args);
  }

  private call(name: string, args: readonly Lazy[]): unknown {
    const values = () => args.map(force);
    const texts = () => values().map(String);
    switch (name) {
      case 'parameters':
        return this.parameter(texts()[0]!);
      case 'variables': {
        const variable = texts()[0]!;
        if (!(variable in this.template.variables)) throw new Error(`There is no variable '${variable}'.`);
        return evaluate(this.template.variables[variable], this.template, this.given, this.index);
      }
      case 'format':
        return texts()[0]!.replace(/\{(\d+)\}/g, (_, n) => texts()[Number(n) + 1]!);
      case 'if':
        return force(force(args[0]!) === true ? args[1]! : args[2]!);
      case 'equals':
        return values()[0] === values()[1];
      case 'not':
        return values()[0] === false;
      case 'and':
        return values().every((value) => value === true);
      case 'empty':
        return (values()[0] as string | unknown[]).length === 0;
      case 'length':
        return (values()[0] as unknown[]).length;
      case 'copyIndex':
        return this.index;
      case 'null':
        return null;
      case 'resourceGroup':
        return { id: GROUP, name: 'models', location: 'westeurope' };
      case 'subscription':
        return { tenantId: '00000000-0000-0000-0000-000000000002' };
      case 'uniqueString':
        return 'a'.repeat(13);
      case 'guid':
        return createHash('sha256').update(texts().join('\n')).digest('hex').slice(0, 32);
      case 'resourceId': {
        const [type, ...names] = texts();
        return idOf({ type: type!, name: names.join('/'), apiVersion: '' });
      }
      case 'subscriptionResourceId':
        return `/subscriptions/1/providers/${texts().join('/')}`;
      case 'createObject': {
        const all = values();
        const pairs = all.flatMap((key, at) => (at % 2 === 0 ? [[String(key), all[at + 1]] as const] : []));
        return Object.fromEntries(pairs);
      }
      case 'reference':
      case 'listKeys':
      case 'listCredentials':
        throw new OnlyThen();
      default:
        throw new Error(`There is no function '${name}'.`);
    }
  }

  private parameter(name: string): unknown {
    const parameter = this.template.parameters[name];
    if (!parameter) throw new Error(`There is no parameter '${name}'.`);
    return name in this.given
      ? this.given[name]
      : evaluate(parameter.defaultValue, this.template, this.given, this.index);
  }

  private find(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private match(pattern: RegExp): string {
    const found = this.find(pattern);
    if (found === undefined) throw new Error(`'${this.text}' can't be read at ${this.at}.`);
    return found;
  }

  private take(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  private need(text: string): void {
    if (!this.take(text)) throw new Error(`'${this.text}' has no '${text}' at ${this.at}.`);
  }
}

type Lazy = () => unknown;

function force(value: Lazy): unknown {
  return value();
}
