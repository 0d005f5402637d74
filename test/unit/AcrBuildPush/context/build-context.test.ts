import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIgnoreRules, walkContext } from '../../../../tasks/AcrBuildPush/context/build-context';
import { IgnoreRules } from '../../../../tasks/AcrBuildPush/context/ignore';
import { describeBigContext, measureContext } from '../../../../tasks/AcrBuildPush/context/size';
import { temporaryFolder } from '../support';

describe('a build context', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
    mkdirSync(join(folder.path, 'data', 'raw'), { recursive: true });
    writeFileSync(join(folder.path, 'Dockerfile'), 'FROM scratch');
    writeFileSync(join(folder.path, 'data', 'raw', 'rows.csv'), 'x'.repeat(500));
    writeFileSync(join(folder.path, 'data', 'model.pkl'), 'x'.repeat(70));
    symlinkSync('/', join(folder.path, 'everything'));
  });
  afterEach(() => folder.remove());

  it('is counted without what is left out, the largest first', () => {
    const measure = (rules: string) => measureContext(walkContext(folder.path, new IgnoreRules(rules)));
    assert.deepEqual(measure('data/*\n!data/model.pkl'), {
      bytes: 82,
      files: 2,
      largest: [
        { name: 'data', bytes: 70 },
        { name: 'Dockerfile', bytes: 12 },
      ],
      isPartial: false,
    });
    assert.equal(measure('').bytes, 582);
  });

  it('has the rules beside its Dockerfile, with BuildKit alone', () => {
    const dockerfile = join(folder.path, 'Dockerfile');
    writeFileSync(join(folder.path, '.dockerignore'), 'a');
    writeFileSync(`${dockerfile}.dockerignore`, 'b');
    assert.ok(readIgnoreRules(folder.path, dockerfile, { isLegacy: true }).ignores('a'));
    assert.ok(readIgnoreRules(folder.path, dockerfile, { isLegacy: false }).ignores('b'));
  });

  it('of which a rule can not be read is refused for that rule, by docker when it tries it', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder.path, 'model.pkl'), '');
    const rules = new IgnoreRules('a*{2}');
    assert.throws(() => [...walkContext(folder.path, rules)], {
      name: 'TaskError',
      message: ".dockerignore has a pattern that docker can't read: 'a*{2}'.",
    });
    folder.remove();
  });

  it('is worth a word when it is big', () => {
    const size = { files: 3, isPartial: false, largest: [{ name: 'data', bytes: 250_000_000 }] };
    assert.equal(describeBigContext({ ...size, bytes: 99_000_000 }), undefined);
    assert.equal(
      describeBigContext({ ...size, bytes: 300_000_000 }),
      'The build context has 300 MB in 3 files. Largest: data (250 MB). Name in .dockerignore what the image does not need.',
    );
  });
});
