import assert from 'node:assert/strict';
import { BASE, useBuildKit } from '../support/buildkit';
import { generatedDockerfile } from '../support/dockerfile-grammar';

/*
 * Dockerfiles by chance, built by BuildKit and by this step. `SEEDS` says how many, `FIRST_SEED` where to begin; a
 * difference names its seed.
 */

const COUNT = Number(process.env.SEEDS ?? 300);
const FIRST = Number(process.env.FIRST_SEED ?? 1);

/** How many are built at once. */
const LANES = 2;

describe('Every image', function () {
  this.timeout(0);

  const { whole, here } = useBuildKit();

  for (const [title, withCommands, offset] of [
    ['without commands', false, 0],
    ['that an engine begins and this step ends', true, 1_000_000],
  ] as const) {
    it(`${title} is the one that BuildKit makes: seeds ${FIRST + offset} to ${FIRST + offset + COUNT - 1}`, async () => {
      const seeds = Array.from({ length: COUNT }, (_, index) => FIRST + offset + index);
      const tally = { built: 0, refused: 0, left: new Map<string, number>() };
      const problems: string[] = [];
      const work = async () => {
        for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
          const problem = await compare(seed, withCommands, tally);
          if (!problem) continue;
          problems.push(problem);
          // A long run may be stopped before its end.
          console.log(`\n${problem}\n`);
        }
      };
      await Promise.all(Array.from({ length: LANES }, work));
      console.log(
        `      ${tally.built} alike, ${tally.refused} refused by both, left to an engine:`,
        Object.fromEntries(tally.left),
      );
      assert.equal(problems.length, 0, `${problems.length} of ${COUNT} differ, as shown above`);
      assert.ok(tally.built > COUNT / 4, `only ${tally.built} could be compared`);
    });
  }

  async function compare(
    seed: number,
    withCommands: boolean,
    tally: { built: number; refused: number; left: Map<string, number> },
  ): Promise<string | undefined> {
    const one = generatedDockerfile(seed, BASE, withCommands);
    const [theirs, ours] = [await whole(one), await here(one)];
    const about = `seed ${seed}, ${JSON.stringify(one.arguments)}, target ${one.target}:\n${one.recipe}`;
    if ('refusal' in ours && ours.needsEngine) {
      const reason = ours.refusal.replace(/^line \d+: /, '').replace(/[:=].*$/s, '');
      tally.left.set(reason, (tally.left.get(reason) ?? 0) + 1);
      return undefined;
    }
    if ('refusal' in theirs) {
      if ('refusal' in ours) tally.refused++;
      return 'refusal' in ours ? undefined : `${about}\nBuildKit refuses it, we don't: ${theirs.refusal}`;
    }
    if ('refusal' in ours && isListed(one.recipe, ours.refusal)) {
      tally.left.set('listed in the docs', (tally.left.get('listed in the docs') ?? 0) + 1);
      return undefined;
    }
    if ('refusal' in ours) return `${about}\nwe refuse it, BuildKit doesn't: ${ours.refusal}`;
    tally.built++;
    try {
      assert.deepEqual(ours, theirs);
      return undefined;
    } catch (error) {
      return `${about}\n${(error as Error).message}`;
    }
  }
});

/** Whether a refusal of ours alone is a difference that the docs list. */
function isListed(recipe: string, refusal: string): boolean {
  const [, line] = /mistake in line (\d+): there is no /.exec(refusal) ?? [];
  const text = recipe.split('\n')[Number(line) - 1] ?? '';
  return /--parents/.test(text) && /--from=/.test(text);
}
