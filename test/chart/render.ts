import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { run } from '../../local/processes';
import { root } from '../../scripts/paths';

export const CHART = join(root, 'deploy/helm/model-api');

/** As much of a Kubernetes object as the tests look at. */
export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // biome-ignore lint/suspicious/noExplicitAny: the objects are of many kinds, and checked against Kubernetes' schemas.
  readonly spec: any;
}

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** What the pipeline gives. */
export const IMAGE = { 'image.repository': 'example.azurecr.io/titanic-model-api', 'image.digest': DIGEST };

/** Runs helm with settings of the chart. */
export function helm(command: readonly string[], settings: Readonly<Record<string, string>>) {
  const given = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  return run('helm', [...command, CHART, ...given]);
}

/** The objects that a release would consist of, as text. */
export async function render(settings: Readonly<Record<string, string>>): Promise<string> {
  const { exitCode, output } = await helm(['template', 'titanic'], settings);
  if (exitCode !== 0) throw new Error(output);
  return output;
}

export function objectsOf(text: string): KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter(Boolean);
}

export function find(objects: readonly KubernetesObject[], kind: string): KubernetesObject {
  const found = objects.find((object) => object.kind === kind);
  if (!found) throw new Error(`There is no ${kind}.`);
  return found;
}
