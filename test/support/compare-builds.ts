import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import type { BuildPlan } from '../../tasks/AcrBuildPush/build-plan';
import { capturedLog, directBuild, leastPlan } from '../unit/AcrBuildPush/support';
import type { BuildCase } from './build-cases';
import { writeBaseContext, writeContext } from './build-contexts';
import { type Builder, build, findBuilders, removeBuilt, save } from './engine-builds';
import { asPulledImage, type FlatImage, flattenBuilt } from './image-files';
import { skip } from './skip';

/** How many builds run at once. */
const PLACES = 2;

/**
 * For the tests of a suite: a build context, a base image, and both docker and this step to build on them. Skips the
 * suite where there is no engine, and takes everything away again after it.
 */
export function useBothBuilders() {
  const run = randomUUID();
  const base = `direct-build-base-${run}:1`;
  const label = `direct-build-test=${run}`;
  const folder = mkdtempSync(join(tmpdir(), 'direct-build-'));
  const context = join(folder, 'context');
  const baseFolder = join(folder, 'base');
  const builders: Builder[] = [];

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    for (const path of [context, baseFolder]) mkdirSync(path);
    writeContext(context);
    const baseContext = join(folder, 'base-context');
    mkdirSync(baseContext);
    writeBaseContext(baseContext);
    builders.push(...(await findBuilders(folder, label)));
    const file = join(baseContext, 'Dockerfile');
    await build(builders[0]!, { file, context: baseContext, name: base, label });
    await save(builders[0]!, [base], baseFolder);
  });

  after(() => {
    if (builders[0]) removeBuilt(builders[0].client, label);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Has a Dockerfile carried out by this step. */
  function buildHere(plan: Partial<BuildPlan>) {
    const [name, value] = label.split('=');
    const options = {
      pull: async () => asPulledImage(baseFolder),
      log: capturedLog().log,
      signal: new AbortController().signal,
    };
    return directBuild({ ...leastPlan, labels: { [name!]: value! }, ...plan }, options).catch(
      (error: Error) => error,
    );
  }

  function buildCase({ recipe, target, arguments: given = {} }: BuildCase) {
    return buildHere({ recipe, context, dockerfile: join(folder, 'Dockerfile'), arguments: given, target });
  }

  /** Has docker and this step carry out Dockerfiles, and fails unless all that docker can build is the same here. */
  async function compare(builder: Builder, cases: readonly BuildCase[], least: number): Promise<void> {
    const problems: string[] = [];
    const names = new Map<BuildCase, string>();
    const place = mkdtempSync(join(folder, 'compare-'));
    await inPlaces(cases, async (one, index) => {
      const file = join(place, `Dockerfile-${index}`);
      const name = `direct-build-${run}:case-${index}`;
      writeFileSync(file, one.recipe);
      const { arguments: given, target } = one;
      const error = await build(builder, { file, context, name, label, arguments: given, target });
      if (!error) names.set(one, name);
      else if (!((await buildCase(one)) instanceof Error)) {
        problems.push(`${one.title}: we build it, docker does not: ${error}\n${one.recipe}`);
      }
    });
    const images = await save(builder, [...names.values()], place);
    for (const [one, name] of names) {
      const problem = await difference(images.get(name)!, one, builder);
      if (problem) problems.push(`${one.title}:\n${one.recipe}\n${problem}`);
    }
    assert.ok(names.size >= least, `docker built ${names.size} of ${cases.length}`);
    const summary = `${problems.length} differ from ${builder.kind}.`;
    assert.equal(problems.length, 0, `${summary}\n\n${problems.join('\n\n')}`);
  }

  async function difference(
    docker: FlatImage,
    one: BuildCase,
    { kind }: Builder,
  ): Promise<string | undefined> {
    const built = await buildCase(one);
    if (built instanceof Error) return `docker builds it, we don't: ${built.stack}`;
    const ours = await flattenBuilt(built);
    try {
      assert.deepEqual(kind === 'legacy' ? withoutSetId(ours) : ours, docker);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  return { run, base, label, folder, builders, buildHere, compare };
}

/** The legacy builder takes the set-id bits away, which BuildKit keeps. */
function withoutSetId({ settings, files }: FlatImage): FlatImage {
  const entries = Object.entries(files).map(([path, text]) => [
    path,
    text.replace(/^file [246](?=\d{3} )/, 'file '),
  ]);
  return { settings, files: Object.fromEntries(entries) };
}

/** Works on a list with a few at a time, each in a place of its own. */
export async function inPlaces<T>(
  list: readonly T[],
  work: (item: T, index: number, place: number) => Promise<void>,
) {
  const left = [...list.entries()];
  const worker = async (place: number) => {
    for (let next = left.shift(); next; next = left.shift()) await work(next[1], next[0], place);
  };
  await Promise.all(Array.from({ length: PLACES }, (_, place) => worker(place)));
}
