import type { JobPlan, PoolPlan, VariableDeclaration } from './plan';
import { entriesOf, expand, type ScopedNode } from './template';
import { fold } from './values';
import { asText, asTexts, childOf, PipelineError, type Problems, refuseOtherKeys } from './yaml';

/** Reads `pool:`, which decides which machine runs a job; here it is always this one. */
export function readPool(pool: ScopedNode | undefined): PoolPlan | undefined {
  if (!pool) return undefined;
  const node = expand(pool.node, pool.scope);
  if (node.kind === 'scalar') return { name: node.text, vmImage: '', demands: [], at: node.at };
  refuseOtherKeys(
    entriesOf(node, pool.scope).map((entry) => entry.key),
    ['name', 'vmImage', 'demands'],
    "'pool'",
  );
  if (node.kind !== 'mapping') throw new PipelineError("'pool' must be a name or a mapping.", node.at);
  const [name, image, demands] = [childOf(node, 'name'), childOf(node, 'vmImage'), childOf(node, 'demands')];
  return {
    name: name ? asText(name, "'name'") : '',
    vmImage: image ? asText(image, "'vmImage'") : '',
    demands: demands ? asTexts(demands, "'demands'") : [],
    at: node.at,
  };
}

/** Names the jobs that no script of this machine can stand in for. */
export function checkPool(job: JobPlan, variables: readonly VariableDeclaration[], problems: Problems): void {
  const { pool } = job;
  if (!pool) return;
  if (pool.name === 'server') {
    problems.add(
      `The job '${job.name}' is for the pool 'server': Azure runs no scripts there, and neither does the local agent.`,
      pool.at,
    );
  }
  if (process.platform === 'win32') return;
  for (const leg of job.legs) {
    const image = pool.vmImage.replace(
      /\$\(([^)]+)\)/g,
      (macro, name: string) => variableNamed(name, leg.variables, variables) ?? macro,
    );
    if (!isWindows({ ...pool, vmImage: image })) continue;
    const which = leg.name ? `${job.name} ${leg.name}` : job.name;
    problems.add(
      `The job '${which}' is for Windows (${image || pool.name || 'by its demands'}), and this machine is none.`,
      pool.at,
    );
  }
}

function isWindows({ name, vmImage, demands }: PoolPlan): boolean {
  return (
    /^(windows|win|vs)[-\d]/i.test(vmImage) ||
    /^hosted (vs|windows)/i.test(name) ||
    demands.some((demand) => /^agent\.os\s+-equals\s+windows_nt$/i.test(demand.trim()))
  );
}

function variableNamed(
  name: string,
  own: Readonly<Record<string, string>>,
  declared: readonly VariableDeclaration[],
): string | undefined {
  const found = Object.entries(own).find(([candidate]) => fold(candidate) === fold(name));
  if (found) return found[1];
  const declaration = declared.findLast((other) => 'name' in other && fold(other.name) === fold(name));
  return declaration && 'value' in declaration ? declaration.value : undefined;
}
