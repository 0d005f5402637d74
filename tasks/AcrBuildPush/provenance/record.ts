import { TaskError } from '../../common/errors';
import type { TaskContext } from '../../common/task';
import { formatBytes, plural } from '../../common/text';
import type { PreparedBuild } from '../build/builder';
import type { Manifest } from '../image/image';
import type { Inputs } from '../inputs';
import type { Model } from '../model';
import type { Destination } from '../publish/destination';
import type { ChainTable } from '../report';
import { attestProvenance } from './attest';
import { type Chain, chainOfStatement, compareChains, readChain } from './chain';
import type { ModelCheck } from './check-model';
import { type BuildFacts, describeBuild } from './predicate';
import { type Statement, stateProvenance } from './statement';

/** An image that has come to its destination, and how it came about. */
export interface BuiltRecord {
  readonly inputs: Inputs;
  /** What came of looking at the model's files; undefined where there is no model. */
  readonly modelCheck: Promise<ModelCheck> | undefined;
  readonly prepared: PreparedBuild;
  /** Of the step. */
  readonly started: Date;
  readonly manifest: Manifest;
}

/**
 * Says what an image was built from, and attaches that to it where that is asked for.
 *
 * @returns the same for people, beside what the tags named before; and the statement as it is attached
 */
export async function recordProvenance(
  { inputs, modelCheck, prepared, started, manifest }: BuiltRecord,
  destination: Destination,
  { log, signal, variable, version }: Pick<TaskContext, 'log' | 'signal' | 'variable' | 'version'>,
): Promise<{ readonly chain: ChainTable; readonly statement: Statement | undefined }> {
  const { kind: builder, description, plan } = prepared;
  const run = { builder, description, version, started, finished: new Date() };
  const model = await soundModel(inputs.model, modelCheck, log);
  const predicate = describeBuild({ inputs, model, plan, run }, variable);
  const statement = stateProvenance(destination.name, manifest.digest, predicate);
  const attests = inputs.attest !== 'off';
  const [before, attached] = await Promise.all([
    chainBefore(destination, manifest.digest, attests),
    attests ? attestProvenance(manifest, statement, destination, { log, signal }) : undefined,
  ]);
  const chain = withLayers(compareChains(chainOfStatement(statement), before), manifest, before?.manifest);
  return { chain, statement: attached?.statement };
}

/** A model as far as it is what its manifest says. */
async function soundModel(
  model: Model | undefined,
  check: Promise<ModelCheck> | undefined,
  log: TaskContext['log'],
): Promise<BuildFacts['model']> {
  const { fault, by } = (await check) ?? {};
  if (!model || fault === undefined) return model && { stated: model, checkedBy: by };
  log.warning(
    `The model ${fault}, other than its manifest says, so the image's provenance does not name it. Something has changed the files in '${model.folder}' since they were downloaded: download the model again right before this step.`,
  );
  return undefined;
}

/** What is attached to an image that was built elsewhere, for people, beside what the tags named before. */
export async function showChain(destination: Destination, manifest: Manifest): Promise<ChainTable> {
  const { digest } = manifest;
  const [now, before] = await Promise.all([
    readChain(destination.registry, digest, true),
    chainBefore(destination, digest, true),
  ]);
  return withLayers(compareChains(now, before), manifest, before?.manifest);
}

/** The chain of the image that the first of the tags named when the step began, if that is another image. */
async function chainBefore(
  { registry, tags, before }: Destination,
  digest: string,
  readsStatements: boolean,
): Promise<
  { readonly tag: string; readonly chain: Chain; readonly manifest: Manifest | undefined } | undefined
> {
  const tag = tags.map((one) => one.tag).find((one) => before.has(one));
  const earlier = tag && before.get(tag);
  if (tag === undefined || earlier === undefined || earlier === digest) return undefined;
  const [chain, manifest] = await Promise.all([
    readChain(registry, earlier, readsStatements),
    registry.manifest(earlier).catch((error) => {
      if (!(error instanceof TaskError)) throw error;
      return undefined;
    }),
  ]);
  return { tag, chain, manifest };
}

/** The chain with a row for the layers, where those of the image before are known: what a host that has it still pulls. */
function withLayers(table: ChainTable, { layers }: Manifest, before: Manifest | undefined): ChainTable {
  if (!before || layers.length === 0 || before.layers.length === 0) return table;
  const known = new Set(before.layers.map(({ digest }) => digest));
  const fresh = layers.filter(({ digest }) => !known.has(digest));
  const news = fresh.length === 0 ? 'none new' : `${fresh.length} new, ${sizeOf(fresh)}`;
  const now = `${plural(layers.length, 'layer')}, ${sizeOf(layers)}; ${news}`;
  const then = `${plural(before.layers.length, 'layer')}, ${sizeOf(before.layers)}`;
  return { ...table, rows: [...table.rows, { link: 'Layers', now, before: then }] };
}

function sizeOf(layers: Manifest['layers']): string {
  return formatBytes(layers.reduce((sum, { size }) => sum + size, 0));
}
