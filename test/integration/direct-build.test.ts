import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ignoreFiles, writtenCases } from '../support/build-cases';
import { IGNORE_FILES, writeIgnoreContext } from '../support/build-contexts';
import { inPlaces, useBothBuilders } from '../support/compare-builds';
import { build, save, versionOf } from '../support/engine-builds';
import { flattenBuilt } from '../support/image-files';

describe('A direct build', function () {
  this.timeout(300_000);

  const both = useBothBuilders();
  const { base, folder, label, run, buildHere } = both;

  it('makes the same settings and files as docker', async () => {
    const [builder] = both.builders;
    const mine = writtenCases(base).filter((one) => !one.only || one.only === builder!.kind);
    await both.compare(builder!, mine, 80);
  });

  it('leaves the same files out of the context as docker, by generated .dockerignore files', async () => {
    const problems: string[] = [];
    const builder = both.builders.at(-1)!;
    // Clients before 23 take a plus for a sign of regular expressions, against docker's own documents.
    const isOld = Number(/version (\d+)/.exec(versionOf(builder))?.[1]) < 23;
    const rules = ignoreFiles(8).filter((text) => !isOld || !text.includes('+'));
    const names = new Map<number, string>();
    const ours = new Map<number, string[]>();
    const recipe = `FROM scratch\nCOPY . /\nLABEL ${label}\n`;
    const file = join(folder, 'ignore.Dockerfile');
    writeFileSync(file, recipe);
    await inPlaces(rules, async (text, index, place) => {
      const root = join(folder, `ignore-${place}`);
      if (!existsSync(root)) writeIgnoreContext(root);
      writeFileSync(join(root, '.dockerignore'), text);
      const name = `direct-build-${run}:ignore-${index}`;
      const refusal = await build(builder, { file, context: root, name, label });
      const built = await buildHere({ recipe, context: root, dockerfile: file });
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
});
