import { fold } from './values';
import { PipelineError, type Position, type Problems } from './yaml';

/** @throws PipelineError for a name that could not stand in an expression */
export function checkName(name: string, what: 'job' | 'stage' | 'step', at: Position): void {
  if (/^[A-Za-z_]\w*$/.test(name)) return;
  throw new PipelineError(
    `The ${what} name '${name}' is not valid: it may hold letters, digits and underscores only, and not start with a digit. 'displayName' may be any text.`,
    at,
  );
}

interface Dependent {
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly at: Position;
}

/** Finds names that stand twice, dependencies on what does not exist, and circles. */
export function checkDependencies(
  plans: readonly Dependent[],
  what: 'job' | 'stage',
  problems: Problems,
): void {
  const byName = new Map<string, Dependent>();
  for (const plan of plans) {
    if (byName.has(fold(plan.name))) problems.add(`There are two ${what}s named '${plan.name}'.`, plan.at);
    byName.set(fold(plan.name), plan);
  }
  for (const plan of plans) {
    for (const name of plan.dependsOn) {
      if (byName.has(fold(name))) continue;
      problems.add(`'${plan.name}' depends on '${name}', which is no ${what} here.`, plan.at);
    }
    if (ancestorsOf(plan, byName).has(plan)) {
      problems.add(`'${plan.name}' depends on itself in the end.`, plan.at);
    }
  }
}

/** Everything that has to be done before, directly or not. */
export function ancestorsOf<T extends { readonly dependsOn: readonly string[] }>(
  plan: T,
  byFoldedName: ReadonlyMap<string, T>,
): Set<T> {
  const found = new Set<T>();
  const visit = (one: T): void => {
    for (const name of one.dependsOn) {
      const needed = byFoldedName.get(fold(name));
      if (!needed || found.has(needed)) continue;
      found.add(needed);
      visit(needed);
    }
  };
  visit(plan);
  return found;
}
