import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import type { BuildPlan } from '../../tasks/AcrBuildPush/plan';
import { type BuildCase, generatedCases, ignoreFiles, writtenCases } from '../support/build-cases';
import { IGNORE_FILES, writeBaseContext, writeContext, writeIgnoreContext } from '../support/build-contexts';
import { type Builder, build, findBuilders, removeBuilt, save, versionOf } from '../support/engine-builds';
import { asPulledImage, type FlatImage, flattenBuilt } from '../support/image-files';
import { skip } from '../support/skip';
import { directBuild, leastPlan } from '../unit/AcrBuildPush/support';

const RUN = randomUUID();
const BASE = `direct-build-base-${RUN}:1`;
const LABEL = `direct-build-test=${RUN}`;
const quiet = { info() {}, debug() {}, warning() {}, error() {} };

/** How many builds run at once. */
const PLACES = 2;

describe('A direct build', function () {
  this.timeout(300_000);

  const folder = mkdtempSync(join(tmpdir(), 'direct-build-'));
  const context = join(folder, 'context');
  const baseFolder = join(folder, 'base');
  const builders: Builder[] = [];
  const cases: BuildCase[] = [...writtenCases(BASE), ...generatedCases(BASE, 22)];

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    for (const path of [context, baseFolder]) mkdirSync(path);
    writeContext(context);
    const baseContext = join(folder, 'base-context');
    mkdirSync(baseContext);
    writeBaseContext(baseContext);
    builders.push(...(await findBuilders(folder, LABEL)));
    await build(builders[0]!, {
      file: join(baseContext, 'Dockerfile'),
      context: baseContext,
      name: BASE,
      label: LABEL,
    });
    await save(builders[0]!, [BASE], baseFolder);
  });

  after(() => {
    if (builders[0]) removeBuilt(builders[0].client, LABEL);
    rmSync(folder, { recursive: true, force: true });
  });

  it('makes the same settings and files as docker of a hundred Dockerfiles', async () => {
    assert.ok(cases.length >= 100, `there are ${cases.length} cases`);
    const problems: string[] = [];
    const [builder] = builders as [Builder];
    const names = new Map<BuildCase, string>();
    const mine = cases.filter((one) => !one.only || one.only === builder.kind);
    await inPlaces(PLACES, mine, async (one, index, place) => {
      const name = `direct-build-${RUN}:case-${index}`;
      const file = join(folder, `Dockerfile-${place}`);
      writeFileSync(file, one.recipe);
      const error = await build(builder, {
        file,
        context,
        name,
        label: LABEL,
        arguments: one.arguments,
        target: one.target,
      });
      if (!error) names.set(one, name);
      else if (!((await buildDirectly(one)) instanceof Error)) {
        problems.push(`${one.title}: we build it, docker does not: ${error}\n${one.recipe}`);
      }
    });
    const saved = join(folder, 'saved');
    mkdirSync(saved);
    const images = await save(builder, [...names.values()], saved);
    for (const [one, name] of names) {
      const problem = await difference(images.get(name)!, one, builder);
      if (problem) problems.push(`${one.title}:\n${one.recipe}\n${problem}`);
    }
    assert.ok(names.size >= 100, `docker built ${names.size} of ${cases.length}`);
    assert.equal(
      problems.length,
      0,
      `${problems.length} differ from ${builder.kind}.\n\n${problems.join('\n\n')}`,
    );
  });

  it('leaves the same files out of the context as docker, by generated .dockerignore files', async () => {
    const problems: string[] = [];
    const builder = builders.at(-1)!;
    // Clients before 23 take a plus for a sign of regular expressions, against docker's own documents.
    const isOld = Number(/version (\d+)/.exec(versionOf(builder))?.[1]) < 23;
    const rules = ignoreFiles(8).filter((text) => !isOld || !text.includes('+'));
    const names = new Map<number, string>();
    const ours = new Map<number, string[]>();
    const recipe = `FROM scratch\nCOPY . /\nLABEL ${LABEL}\n`;
    const file = join(folder, 'ignore.Dockerfile');
    writeFileSync(file, recipe);
    const root = (place: number) => join(folder, `ignore-${place}`);
    for (let place = 0; place < PLACES; place++) writeIgnoreContext(root(place));
    await inPlaces(PLACES, rules, async (text, index, place) => {
      writeFileSync(join(root(place), '.dockerignore'), text);
      const name = `direct-build-${RUN}:ignore-${index}`;
      const refusal = await build(builder, { file, context: root(place), name, label: LABEL });
      const built = await directBuild(planOf(recipe, root(place), file), options()).catch(
        (error: Error) => error,
      );
      if (!refusal && !(built instanceof Error)) {
        names.set(index, name);
        ours.set(index, Object.keys((await flattenBuilt(built)).files));
      } else if (!refusal || !(built instanceof Error)) {
        problems.push(`${JSON.stringify(text)}: docker: ${refusal ?? 'no problem'}; here: ${built}`);
      }
    });
    const saved = join(folder, 'ignored');
    mkdirSync(saved);
    const images = await save(builder, [...names.values()], saved);
    let decisions = 0;
    for (const [index, name] of names) {
      const docker = new Set(Object.keys(images.get(name)!.files));
      const here = new Set(ours.get(index));
      decisions += IGNORE_FILES;
      const extra = [...here].filter((path) => !docker.has(path));
      const missing = [...docker].filter((path) => !here.has(path));
      if (extra.length || missing.length) {
        problems.push(`${JSON.stringify(rules[index])}: too many: ${extra}; too few: ${missing}`);
      }
    }
    assert.equal(problems.length, 0, `${problems.length} differ.\n${problems.join('\n')}`);
    assert.ok(decisions >= 500, `only ${decisions} decisions were compared`);
  });
  function buildDirectly(one: BuildCase) {
    const plan = planOf(one.recipe, context, join(folder, 'Dockerfile'), one);
    return directBuild(plan, options()).catch((error: Error) => error);
  }

  async function difference(
    docker: FlatImage,
    one: BuildCase,
    { kind }: Builder,
  ): Promise<string | undefined> {
    const built = await buildDirectly(one);
    if (built instanceof Error) return `docker builds it, we don't: ${built.stack}`;
    const ours = await flattenBuilt(built);
    try {
      assert.deepEqual(kind === 'legacy' ? withoutSetId(ours) : ours, docker);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  function options() {
    return {
      pull: async () => asPulledImage(baseFolder),
      log: quiet as never,
      signal: new AbortController().signal,
    };
  }
});

/** The legacy builder takes the set-id bits away, which BuildKit keeps. */
function withoutSetId({ settings, files }: FlatImage): FlatImage {
  const entries = Object.entries(files).map(([path, text]) => [
    path,
    text.replace(/^file [246](?=\d{3} )/, 'file '),
  ]);
  return { settings, files: Object.fromEntries(entries) };
}

function planOf(recipe: string, context: string, dockerfile: string, one?: BuildCase): BuildPlan {
  const [name, value] = LABEL.split('=');
  return {
    ...leastPlan,
    dockerfile,
    recipe,
    context,
    arguments: one?.arguments ?? {},
    labels: { [name!]: value! },
    target: one?.target,
  };
}

/** Works on a list with a few at a time, each in a place of its own. */
async function inPlaces<T>(
  places: number,
  list: readonly T[],
  work: (item: T, index: number, place: number) => Promise<void>,
) {
  const left = [...list.entries()];
  const worker = async (place: number) => {
    for (let next = left.shift(); next; next = left.shift()) await work(next[1], next[0], place);
  };
  await Promise.all(Array.from({ length: places }, (_, place) => worker(place)));
}
