import { evaluate } from '../../pipeline/expression';
import type { JobPlan, PipelinePlan, VariableDeclaration } from '../../pipeline/plan';
import { ExpressionError, fold, toText, type ValueMap } from '../../pipeline/values';
import { PipelineError } from '../../pipeline/yaml';
import type { AgentOptions } from '../../types';

export interface JobVariable {
  readonly name: string;
  readonly value: string;
  readonly secret: boolean;
  readonly readOnly: boolean;
}

/**
 * The variables a job starts with. What comes later wins: predefined, the pipeline's, the job's, those set when
 * queueing. `$[ ]` is evaluated last, once, with all of these and the outcome of earlier jobs.
 * @throws PipelineError for a variable group that does not exist and for expressions that are wrong
 */
export function jobVariables(
  predefined: Record<string, string>,
  pipeline: PipelinePlan,
  job: JobPlan,
  options: AgentOptions,
  dependencies: ValueMap,
): JobVariable[] {
  const found = new Map<string, JobVariable & { at?: VariableDeclaration['at'] }>();
  const add = (
    name: string,
    value: string,
    more: Partial<JobVariable & { at: VariableDeclaration['at'] }> = {},
  ) => found.set(fold(name), { name, value, secret: false, readOnly: false, ...more });

  for (const [name, value] of Object.entries(predefined)) add(name, value);
  for (const declaration of [...pipeline.variables, ...job.variables]) {
    const { at } = declaration;
    if ('name' in declaration)
      add(declaration.name, declaration.value, { readOnly: declaration.readOnly, at });
    else addGroup(declaration, options, add);
  }
  for (const [name, value] of Object.entries(options.variables ?? {})) add(name, value);
  if (options.accessToken) add('System.AccessToken', options.accessToken, { secret: true });

  const values = Object.fromEntries([...found.values()].map(({ name, value }) => [name, value]));
  return [...found.values()].map(({ at, ...variable }) => {
    const expression = /^\s*\$\[([\s\S]*)\]\s*$/.exec(variable.value)?.[1];
    if (expression === undefined) return variable;
    try {
      return {
        ...variable,
        value: toText(evaluate(expression, { values: { variables: values, dependencies } })),
      };
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      throw new PipelineError(`The variable '${variable.name}': ${error.message}`, at);
    }
  });
}

function addGroup(
  declaration: Extract<VariableDeclaration, { group: string }>,
  options: AgentOptions,
  add: (name: string, value: string, more: Partial<JobVariable>) => void,
): void {
  const group = options.variableGroups?.[declaration.group];
  if (!group) {
    const known = Object.keys(options.variableGroups ?? {}).join(', ') || 'none';
    throw new PipelineError(
      `There is no variable group '${declaration.group}'. The local agent was given: ${known}.`,
      declaration.at,
    );
  }
  for (const [name, entry] of Object.entries(group)) {
    if (typeof entry === 'string') add(name, entry, {});
    else add(name, entry.value, { secret: true });
  }
}
