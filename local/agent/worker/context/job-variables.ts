import { evaluate, readsVariable } from '../../pipeline/expression';
import type { VariableDeclaration } from '../../pipeline/plan';
import { runtimeExpression } from '../../pipeline/slots';
import { ExpressionError, fold, NameMap, toText, type Value } from '../../pipeline/values';
import type { Position } from '../../pipeline/yaml';
import type { AgentOptions } from '../../types';

export interface JobVariable {
  readonly name: string;
  readonly value: string;
  readonly secret: boolean;
  readonly readOnly: boolean;
}

/** What `$[ ]` may use besides variables, and which of its texts are secret. */
export interface RuntimeContexts {
  readonly values: { readonly [name: string]: Value };
  readonly secrets: readonly string[];
}

/** Where variables come from; what comes later wins. */
export interface VariableSources {
  readonly predefined: Record<string, string>;
  /** Declarations of the pipeline, the stage and the job, in this order. */
  readonly declared: readonly VariableDeclaration[];
  /** Those of a leg of a matrix. */
  readonly leg: Readonly<Record<string, string>>;
}

/**
 * The variables a job starts with. What comes later wins: predefined, those set when queueing, the pipeline's, the
 * stage's, the job's, those of the matrix, and last what only the local agent has: those that override. `$[ ]` is
 * evaluated last, once, with all of these and the outcome of earlier jobs; what is made of a secret is secret.
 * @param complain is told of expressions that cannot be computed; such a variable keeps the expression for its value
 */
export function jobVariables(
  sources: VariableSources,
  options: AgentOptions,
  contexts: RuntimeContexts,
  complain: (message: string, at: Position | undefined) => void,
): JobVariable[] {
  const found = collect(sources, options);
  const values = new NameMap([...found.values()].map(({ name, value }) => [name, value]));
  const names = { values: { ...contexts.values, variables: values } };
  const secretNames = new Set(
    [...found.values()].filter(({ secret }) => secret).map(({ name }) => fold(name)),
  );
  return [...found.values()].map(({ at, ...variable }) => {
    const expression = runtimeExpression(variable.value);
    if (expression === undefined) return variable;
    try {
      const value = toText(evaluate(expression, names));
      values.set(variable.name, value);
      const secret =
        variable.secret ||
        readsVariable(expression, names, (name) => secretNames.has(fold(name))) ||
        contexts.secrets.some((other) => value.includes(other));
      if (secret) secretNames.add(fold(variable.name));
      return { ...variable, value, secret };
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      complain(`The variable '${variable.name}': ${error.message}`, at);
      return variable;
    }
  });
}

type Found = Map<string, JobVariable & { readonly at?: Position }>;

function collect({ predefined, declared, leg }: VariableSources, options: AgentOptions): Found {
  const found: Found = new Map();
  const add = (name: string, value: string, more: Partial<JobVariable & { at: Position }> = {}) =>
    found.set(fold(name), { name, value, secret: false, readOnly: false, ...more });

  for (const [name, value] of Object.entries(predefined)) add(name, value);
  for (const [name, value] of Object.entries(options.variables ?? {})) add(name, value);
  for (const declaration of declared) {
    if ('name' in declaration) {
      add(declaration.name, declaration.value, { readOnly: declaration.readOnly, at: declaration.at });
      continue;
    }
    for (const [name, entry] of Object.entries(options.variableGroups?.[declaration.group] ?? {})) {
      if (typeof entry === 'string') add(name, entry);
      else add(name, entry.value, { secret: true });
    }
  }
  for (const [name, value] of Object.entries(leg)) add(name, value);
  for (const [name, value] of Object.entries(options.overrides ?? {})) {
    add(name, value, { secret: found.get(fold(name))?.secret ?? false });
  }
  if (options.accessToken) add('System.AccessToken', options.accessToken, { secret: true });
  return found;
}
