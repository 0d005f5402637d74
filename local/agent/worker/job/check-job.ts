import type { JobPlan, PipelinePlan, TaskStepPlan, VariableDeclaration } from '../../pipeline/plan';
import { runtimeExpression } from '../../pipeline/slots';
import { fold } from '../../pipeline/values';
import type { Problems } from '../../pipeline/yaml';
import type { Run } from '../context/job-context';
import type { JobVariable } from '../context/job-variables';
import { BUILTIN_NAMES, findBuiltin } from '../steps/builtin/builtin';
import type { BuiltinTask, Machine } from '../steps/builtin/builtin-task';
import { connectionProblems, declaredName } from '../steps/inputs';

/**
 * The server's last checks before a run: every variable group exists, every task, and every service connection that an
 * input names; and what the agent cannot do in place of a task of Azure Pipelines.
 * @param variablesOf gives what is known of a job's variables before anything has run
 */
export function checkPlan(
  plan: PipelinePlan,
  variablesOf: (job: JobPlan) => JobVariable[],
  run: Run,
  machine: Machine,
  problems: Problems,
): void {
  const declared = [plan, ...plan.stages, ...plan.jobs].flatMap(({ variables }) => variables);
  for (const declaration of declared) checkDeclaration(declaration, run, problems);
  for (const job of plan.jobs) {
    const variables = variablesOf(job);
    for (const step of job.steps) {
      if (step.kind === 'task') checkTask(step, variables, run, machine, problems);
    }
  }
}

function checkDeclaration(declaration: VariableDeclaration, run: Run, problems: Problems): void {
  const { at } = declaration;
  if ('name' in declaration) {
    if (!/\bcounter\s*\(/i.test(runtimeExpression(declaration.value) ?? '')) return;
    problems.add(
      `The variable '${declaration.name}': the server counts for counter(), and there is none here. Give the variable a value with --override ${declaration.name}=<number>.`,
      at,
    );
    return;
  }
  const groups = run.options.variableGroups ?? {};
  if (groups[declaration.group]) return;
  const known = Object.keys(groups).join(', ') || 'none';
  problems.add(`There is no variable group '${declaration.group}'. The local agent was given: ${known}.`, at);
}

function checkTask(
  step: TaskStepPlan,
  variables: JobVariable[],
  run: Run,
  machine: Machine,
  problems: Problems,
): void {
  const found = run.tasks.find(step.task);
  const builtin = found ? undefined : findBuiltin(step.task);
  if (builtin) {
    for (const problem of builtinProblems(builtin, step, machine)) problems.add(problem, step.at);
    return;
  }
  if (!found) {
    if (run.options.skipUnknownTasks) return;
    problems.add(
      `There is no task ${step.task} here. The local agent knows ${[...run.tasks.names, ...BUILTIN_NAMES].join(', ')}; --skip-unknown-tasks goes on without such steps.`,
      step.at,
    );
    return;
  }
  const sources = {
    definition: found.definition,
    given: step.inputs,
    variable: (name: string) => variables.find((candidate) => fold(candidate.name) === fold(name))?.value,
    environment: run.environment,
    root: run.folders.sources,
    connections: run.options.serviceConnections ?? [],
  };
  for (const problem of connectionProblems(sources, step.name)) problems.add(problem, step.at);
}

function builtinProblems({ definition, check }: BuiltinTask, step: TaskStepPlan, machine: Machine): string[] {
  const known = definition.inputs.map(({ name }) => name);
  const given = new Map(
    Object.entries(step.inputs).map(([name, value]) => [declaredName(definition, name), value.trim()]),
  );
  const unknown = [...given.keys()]
    .filter((name) => !known.includes(name))
    .map(
      (name) =>
        `The local agent does not carry out the input '${name}' of ${step.task}. It knows: ${known.join(', ')}.`,
    );
  return [...unknown, ...(check?.(given, machine) ?? [])];
}
