import { invalid } from '../errors';
import type { TaskSettings } from '../jobs/settings';

/**
 * The keys of the tasks that `only` names: `train` is that task, `+train` also all before it, `train+` also all after
 * it.
 */
export function select(tasks: readonly TaskSettings[], only: readonly string[]): ReadonlySet<string> {
  const selected = new Set<string>();
  for (const wanted of only) {
    const [, before, key = '', after] = /^(\+?)([^+]*)(\+?)$/.exec(wanted) ?? [];
    if (!tasks.some((task) => task.key === key))
      throw invalid(`Task '${wanted}' in field 'only' does not exist in the job.`);
    selected.add(key);
    if (before) reach(key, selected, (from) => tasks.find((task) => task.key === from)?.dependsOn ?? []);
    if (after) {
      reach(key, selected, (from) =>
        tasks.filter((task) => task.dependsOn.includes(from)).map((task) => task.key),
      );
    }
  }
  return selected;
}

function reach(key: string, reached: Set<string>, next: (key: string) => readonly string[]): void {
  for (const neighbor of next(key)) {
    reached.add(neighbor);
    reach(neighbor, reached, next);
  }
}
