import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NeedsEngine } from '../../../../../tasks/AcrBuildPush/build/direct/direct-build';
import { flattenBuilt } from '../../../../support/image-files';
import { directBuild, leastPlan, temporaryFolder } from '../../support';

const FILES = [
  'model.pkl',
  'a.txt',
  'conf/base.yaml',
  'conf/notes.txt',
  'conf/deep/x.json',
  'conf/deep/er/y.json',
  'src/util/u.py',
  'src/main.py',
];

describe('An option of COPY', () => {
  let context: ReturnType<typeof temporaryFolder>;

  before(() => {
    context = temporaryFolder();
    for (const file of FILES) {
      mkdirSync(dirname(join(context.path, file)), { recursive: true });
      writeFileSync(join(context.path, file), file);
    }
    chmodSync(join(context.path, 'conf/deep'), 0o700);
    symlinkSync('conf', join(context.path, 'settings'));
  });
  after(() => context.remove());

  async function copied(...lines: string[]): Promise<string[]> {
    const plan = {
      ...leastPlan,
      recipe: ['FROM scratch', ...lines].join('\n'),
      context: context.path,
      dockerfile: join(context.path, '..', 'Dockerfile'),
    };
    const image = await directBuild(plan, {
      pull: () => Promise.reject(new Error('nothing is pulled here')),
      log: { warning() {}, debug() {}, info() {} } as never,
      signal: new AbortController().signal,
    });
    assert.ok(!(image instanceof NeedsEngine), String(image));
    return Object.keys((await flattenBuilt(image)).files).sort();
  }

  // What BuildKit 0.34 makes of each.
  for (const [line, wanted] of [
    [
      'COPY --exclude=*.txt conf /d/',
      ['d', 'd/base.yaml', 'd/deep', 'd/deep/er', 'd/deep/er/y.json', 'd/deep/x.json'],
    ],
    ['COPY --exclude=deep conf /d/', ['d', 'd/base.yaml', 'd/notes.txt']],
    ['COPY --exclude=**/*.json --exclude=notes.* conf /d/', ['d', 'd/base.yaml', 'd/deep', 'd/deep/er']],
    // A folder that is left out is made after all for what is taken back.
    [
      'COPY --exclude=deep --exclude=!deep/er --exclude=*.* conf /d/',
      ['d', 'd/deep', 'd/deep/er', 'd/deep/er/y.json'],
    ],
    // What a source names itself is never left out, also where a pattern has found it.
    ['COPY --exclude=model.pkl model.pkl *.txt /d/', ['d', 'd/a.txt', 'd/model.pkl']],
    ['COPY --exclude=*.txt *.txt /d/', ['d', 'd/a.txt']],
    ['COPY --exclude= a.txt /d/', ['d', 'd/a.txt']],
    ['ADD --exclude=deep conf /d/', ['d', 'd/base.yaml', 'd/notes.txt']],
    [
      'COPY --parents conf/deep/x.json src/main.py /d/',
      ['d', 'd/conf', 'd/conf/deep', 'd/conf/deep/x.json', 'd/src', 'd/src/main.py'],
    ],
    [
      'COPY --parents conf/deep /d',
      ['d', 'd/conf', 'd/conf/deep', 'd/conf/deep/er', 'd/conf/deep/er/y.json', 'd/conf/deep/x.json'],
    ],
    ['COPY --parents conf/./deep/er/ /d/', ['d', 'd/deep', 'd/deep/er', 'd/deep/er/y.json']],
    ['COPY --parents s*/util /d/', ['d', 'd/src', 'd/src/util', 'd/src/util/u.py']],
    ['COPY --parents --exclude=**/er conf/deep /d/', ['d', 'd/conf', 'd/conf/deep', 'd/conf/deep/x.json']],
    ['COPY --parents nothing* /d/', ['d']],
    ['COPY --parents=false conf/deep/x.json /d/', ['d', 'd/x.json']],
  ] as const) {
    it(`of '${line}' is heeded`, async () => {
      assert.deepEqual(await copied(line), wanted);
    });
  }

  it('--parents makes the folders on the way once, with the permissions that are asked for', async () => {
    const plan = {
      ...leastPlan,
      recipe: 'FROM scratch\nCOPY --chmod=640 --parents conf/*.* /d/',
      context: context.path,
      dockerfile: join(context.path, '..', 'Dockerfile'),
    };
    const image = await directBuild(plan, {
      pull: () => Promise.reject(new Error('nothing is pulled here')),
      log: { warning() {}, debug() {}, info() {} } as never,
      signal: new AbortController().signal,
    });
    assert.ok(!(image instanceof NeedsEngine), String(image));
    assert.match((await flattenBuilt(image)).files['d/conf'] ?? '', /^directory 640 /);
  });

  for (const [line, problem] of [
    ['COPY --parents conf/none /d/', /line 2: there is no 'conf\/none'/],
    ['COPY --exclude=[ conf /d/', /line 2: --exclude has a pattern that docker can't read: '\['/],
    ['COPY --exclude=! conf /d/', /line 2: --exclude has a line with nothing but '!'/],
  ] as const) {
    it(`of '${line}' is refused as docker does`, async () => {
      await assert.rejects(copied(line), { name: 'TaskError', message: problem });
    });
  }
});
