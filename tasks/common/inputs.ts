import type { ServiceConnection } from './agent';
import { TaskError } from './errors';
import type { Logger } from './log';
import { plural } from './text';

/** `$(name)` as the agent leaves it when it knows no variable of that name. */
const UNEXPANDED_VARIABLE = /\$\(([A-Za-z_][\w.\- ]*)\)/;

/** What service connections hold that is not secret, besides the federation's issuer and subject; in lower case. */
const PUBLIC_PARAMETERS = new Set(
  `tenantid serviceprincipalid username email registry loginserver scheme scope role audience authenticationtype
  authorizationtype accesstokentype accesstokenfetchingmethod acceptuntrustedcertificates unsecured`.split(
    /\s+/,
  ),
);

/**
 * Reads a task's inputs and gathers every mistake in them, so that all are reported together. Values that are wrong
 * come back as an empty value of their type; nothing may be done with them before {@link check} has passed.
 */
export class InputReader {
  private readonly mistakes: { input: string; text: string }[] = [];

  constructor(
    private readonly read: (name: string) => string | undefined,
    private readonly log: Logger,
    private readonly readConnection: (id: string) => ServiceConnection | undefined = () => undefined,
  ) {}

  /** A text that may be left out. */
  optional(name: string): string | undefined {
    const value = this.expanded(name);
    if (value !== undefined) this.log.debug(`Input ${name}: ${value}`);
    return value;
  }

  /** A text that must be given; `why` says when it is needed, where it is not always. */
  required(name: string, why = ''): string {
    return this.optional(name) ?? this.missing(name, why);
  }

  /** A secret that may be left out. It is masked before anything else sees it, and never logged. */
  optionalSecret(name: string, username?: string): string | undefined {
    const value = this.expanded(name);
    if (value !== undefined) this.log.maskSecret(value, username);
    return value;
  }

  /** A secret that must be given. */
  requiredSecret(name: string, why = '', username?: string): string {
    const secret = this.optionalSecret(name, username);
    if (secret === undefined && !this.isWrong(name)) {
      this.reject(
        name,
        `is missing${why && ` (${why})`}, or set to a variable that is empty. Set it in the step's inputs, and give the variable a value.`,
      );
    }
    return secret ?? '';
  }

  /** The service connection that an input names. Its secrets are masked before anything else sees them. */
  connection(name: string, why = ''): ServiceConnection | undefined {
    const id = this.required(name, why);
    const connection = id ? this.readConnection(id) : undefined;
    if (connection) this.maskParameters(connection.parameters);
    else if (id) {
      this.reject(
        name,
        `is '${id}', but the step was given no such service connection. Check its name under Project settings > ` +
          'Service connections, and that this pipeline may use it.',
      );
    }
    return connection;
  }

  /** One of a fixed list of values. */
  choice<T extends string>(name: string, choices: readonly T[], otherwise: T): T {
    const value = this.optional(name);
    if (value === undefined) return otherwise;
    const match = choices.find((choice) => choice.toLowerCase() === value.toLowerCase());
    if (match === undefined) this.reject(name, `is '${value}', but must be one of: ${choices.join(', ')}.`);
    return match ?? otherwise;
  }

  /** `true` or `false`, in any case. */
  boolean(name: string, otherwise: boolean): boolean {
    return this.choice(name, ['true', 'false'], otherwise ? 'true' : 'false') === 'true';
  }

  /** A whole number within bounds. */
  integer(name: string, bounds: { min: number; max: number }, otherwise: number): number {
    const value = this.optional(name);
    if (value === undefined) return otherwise;
    const number = Number(value);
    if (/^[+-]?\d+$/.test(value) && number >= bounds.min && number <= bounds.max) return number;
    this.reject(name, `is '${value}', but must be a whole number from ${bounds.min} to ${bounds.max}.`);
    return otherwise;
  }

  /** `KEY=VALUE` lines. Blank lines are passed over; a value may hold further equals signs. */
  keyValueLines(name: string): Record<string, string> {
    return this.parseKeyValues(name, this.optional(name), (line) => `has the line '${line}', which`);
  }

  /** `KEY=VALUE` lines whose values are secrets: masked one by one, and never shown. */
  secretKeyValueLines(name: string): Record<string, string> {
    const text = this.optionalSecret(name);
    const values = this.parseKeyValues(name, text, () => 'has a line that');
    for (const value of Object.values(values)) if (value) this.log.maskSecret(value);
    return values;
  }

  /** Lines of a list. Blank lines are passed over. */
  lines(name: string): string[] {
    const lines = (this.optional(name) ?? '').split(/\r?\n/).map((line) => line.trim());
    return lines.filter(Boolean);
  }

  /** Records a mistake: `problem` goes on from the input's name, `is …` or `has …`, and says the remedy. */
  reject(name: string, problem: string): void {
    this.mistakes.push({ input: name, text: `Input '${name}' ${problem}` });
  }

  /** Throws a TaskError with every mistake that was found. */
  check(): void {
    if (this.mistakes.length === 0) return;
    const issues = this.mistakes.map(({ text }) => text);
    const count = new Set(this.mistakes.map(({ input }) => input)).size;
    const head = count === 1 ? '' : `${plural(count, 'input')} must be put right. `;
    throw new TaskError(head + issues.join(' '), { issues });
  }

  /** Whether a mistake in an input is known, so that what follows from it need not be said too. */
  isWrong(name: string): boolean {
    return this.mistakes.some(({ input }) => input === name);
  }

  /** Records that an input must be given; `why` says when it is needed, where it is not always. */
  missing(name: string, why = ''): '' {
    if (!this.isWrong(name))
      this.reject(name, `is missing${why && ` (${why})`}. Set it in the step's inputs.`);
    return '';
  }

  /** @param describe what is wrong with a line, up to `is not KEY=VALUE`; no secret may be in it */
  private parseKeyValues(
    name: string,
    text: string | undefined,
    describe: (line: string) => string,
  ): Record<string, string> {
    const values: Record<string, string> = {};
    for (const line of (text ?? '').split(/\r?\n/)) {
      if (!line.trim()) continue;
      const equals = line.indexOf('=');
      const key = line.slice(0, equals).trim();
      if (equals < 1 || !key)
        this.reject(name, `${describe(line.trim())} is not KEY=VALUE.${remedyFor(line)}`);
      else if (Object.hasOwn(values, key)) this.reject(name, `sets ${key} twice. Keep one of the lines.`);
      else values[key] = line.slice(equals + 1).trim();
    }
    return values;
  }

  private maskParameters(parameters: Readonly<Record<string, string>>): void {
    const username = parameters.username ?? parameters.serviceprincipalid;
    for (const [name, value] of Object.entries(parameters)) {
      const isPublic = PUBLIC_PARAMETERS.has(name) || name.startsWith('workloadidentityfederation');
      if (value && !isPublic) this.log.maskSecret(value, username);
    }
  }

  private expanded(name: string): string | undefined {
    const value = this.read(name);
    const variable = value && UNEXPANDED_VARIABLE.exec(value)?.[1];
    if (!variable) return value;
    if (this.isWrong(name)) return undefined;
    this.reject(
      name,
      `holds $(${variable}), but this pipeline has no variable '${variable}'. ${whereFrom(variable)}`,
    );
    return undefined;
  }
}

/** Names of variables that begin so are Azure Pipelines' own. */
const PREDEFINED = /^(Agent|Build|Common|Environment|Pipeline|Release|Resources|System|Task)\./i;

/** Where a variable should come from. With a dot in its name, it is most often what an earlier step has set. */
function whereFrom(variable: string): string {
  const [, step] = /^(\w+)\../.exec(variable) ?? [];
  const group = 'link the variable group that holds it (`variables: - group: …`) and check the spelling.';
  if (PREDEFINED.test(variable))
    return `Azure Pipelines sets none of that name here: check the spelling, or ${group}`;
  if (!step) return `Define it, or ${group}`;
  return (
    `If it is the output of a step of this job, give that step \`name: ${step}\` and see that it runs before this one; ` +
    `if it is a variable of that name, ${group}`
  );
}

/** What to write in place of a line that is not KEY=VALUE; the value is not said, since it may be secret. */
function remedyFor(line: string): string {
  const [, key] = /^\s*["']?([\w.-]+)["']?\s*:/.exec(line) ?? [];
  return key ? ` Write ${key}=… in place of '${key}: …'.` : '';
}
