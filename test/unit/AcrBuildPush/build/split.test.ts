// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { splitBuild } from '../../../../tasks/AcrBuildPush/build/split';
import type { BuildPlan } from '../../../../tasks/AcrBuildPush/build-plan';
import type { Declaration } from '../../../../tasks/AcrBuildPush/dockerfile/instructions';
import { leastPlan, temporaryFolder } from '../support';

function split(recipe: readonly string[], plan: Partial<BuildPlan> = {}) {
  return splitBuild({ ...leastPlan, ...plan, recipe: recipe.join('\n') });
}

describe('A Dockerfile', () => {
  it('is split behind its last command', () => {
    const recipe = [
      '# escape=\\',
      'FROM python:3.12',
      'RUN pip install flask',
      'COPY api.py /app/',
      'RUN python -m compileall \\',
      '  /app',
      '# The model changes most often.',
      'COPY model.pkl /app/',
      'CMD ["python"]',
    ];
    const found = split(recipe)!;
    assert.equal(found.head, `${recipe.slice(0, 7).join('\n')}\n`);
    assert.equal(found.lines, 7);
    assert.deepEqual(
      found.rest.map(({ keyword }) => keyword),
      ['COPY', 'CMD'],
    );
  });

  it('is split behind FROM where the commands are in the stage below', () => {
    const recipe = [
      'ARG BELOW=packages',
      'FROM python AS packages',
      'RUN pip install flask',
      'FROM ${BELOW}',
      'WORKDIR /app',
      'COPY model.pkl .',
    ];
    const found = split(recipe)!;
    assert.equal(found.lines, 4);
    assert.equal(found.rest.length, 2);
    // On an image that has the packages, nothing takes an engine.
    assert.equal(split(recipe, { arguments: { BELOW: 'with-packages' } }), undefined);
  });

  for (const [what, line] of [
    ['a stage with a command', 'COPY --from=build /out /out'],
    ['another image', 'COPY --from=busybox /bin/sh /bin/'],
    ['an address', 'ADD https://example.com/data /data'],
  ] as const) {
    it(`is split behind a copy from ${what}`, () => {
      const found = split(['FROM a AS build', 'RUN make', 'FROM b', line, 'COPY model.pkl /']);
      assert.equal(found?.lines, 4);
    });
  }

  it('is split behind what ADD may unpack', () => {
    const folder = temporaryFolder();
    try {
      writeFileSync(join(folder.path, 'plain'), 'a model');
      writeFileSync(join(folder.path, 'packed'), 'BZh91AY');
      const lines = (source: string) =>
        split(['FROM a', 'RUN x', `ADD ${source} /`, 'COPY model.pkl /'], { context: folder.path })?.lines;
      assert.equal(lines('plain'), 2);
      assert.equal(lines('missing'), 2);
      symlinkSync('plain', join(folder.path, 'link'));
      assert.equal(lines('link'), 3);
      assert.equal(lines('.'), 2);
      assert.equal(lines('packed'), 3);
      assert.equal(lines('p*'), 3);
      assert.equal(lines('$SOURCE'), 3);
    } finally {
      folder.remove();
    }
  });

  it('is split with a copy from a stage without commands in the rest', () => {
    const recipe = ['FROM a AS files', 'COPY x /x', 'FROM b', 'RUN make', 'COPY --from=files /x /'];
    assert.equal(split(recipe)?.lines, 4);
  });

  it('is split in the stage that is asked for', () => {
    const recipe = ['FROM a AS one', 'RUN x', 'COPY m /', 'FROM b', 'RUN y', 'CMD ["z"]'];
    assert.equal(split(recipe, { target: 'one' })?.lines, 2);
    assert.equal(split(recipe), undefined);
  });

  it('keeps the arguments that its head declares for the rest', () => {
    const recipe = ['FROM a AS below', 'ARG A=1', 'FROM below', 'ARG B', 'CMD ["x"]', 'RUN x', 'COPY $A$B /'];
    const found = split(recipe)!;
    const names = (declarations: readonly Declaration[]) =>
      declarations.flatMap(({ keyword, assignments }) => [keyword, ...assignments]);
    assert.deepEqual(names(found.inherited), ['ARG', { name: 'A', value: '1' }]);
    assert.deepEqual(names(found.declarations), ['ARG', { name: 'B', value: undefined }]);
    assert.equal(found.setsCommand, true);
  });

  it('is looked through once, however often its stages copy from each other', () => {
    const stages = Array.from({ length: 60 }, (_, index) => [
      `FROM scratch AS s${index}`,
      ...Array.from({ length: index }, (_, other) => `COPY --from=s${other} /a /a`),
    ]);
    assert.equal(split([...stages.flat(), 'FROM s59', 'COPY model.pkl /']), undefined);
  });

  for (const [why, recipe] of [
    ['nothing takes an engine', ['FROM a', 'COPY model.pkl /']],
    ['nothing is copied behind the last command', ['FROM a', 'COPY model.pkl /', 'RUN x', 'ENV A=1']],
    ['the last command is its end', ['FROM a', 'COPY model.pkl /', 'RUN x']],
    ['an argument stands for a variable', ['FROM a', 'ENV A=1', 'ARG B=$A', 'RUN x', 'COPY $B /']],
    ['an argument has its name from one', ['FROM a', 'ENV A=1', 'ARG B$A=2', 'RUN x', 'COPY $B1 /']],
    ['a variable has its name from one', ['FROM a', 'ENV A=1', 'ENV B$A=2', 'RUN x', 'COPY $B1 /']],
    ['commands are kept for another build', ['FROM a', 'ONBUILD RUN x', 'COPY model.pkl /']],
    ['it has a mistake', ['FROM a', 'RUN x', 'COPY model.pkl']],
    ['all of it is to be checked', ['# check=error=true', 'FROM a', 'RUN x', 'COPY model.pkl /']],
    ['somebody else is to read it', ['# syntax=example.com/x', 'FROM a', 'RUN x', 'COPY model.pkl /']],
  ] as const) {
    it(`is not split where ${why}`, () => {
      assert.equal(split(recipe), undefined);
    });
  }

  it('is not split where its begin copies by a pattern that may fit nothing, for which BuildKit asks other lines', () => {
    const folder = temporaryFolder();
    try {
      mkdirSync(join(folder.path, 'conf/deep'), { recursive: true });
      writeFileSync(join(folder.path, 'conf/deep/a.yaml'), '');
      symlinkSync('conf', join(folder.path, 'link'));
      const linesWith = (copy: string) =>
        split(['FROM a', copy, 'RUN x', 'COPY conf /'], { context: folder.path })?.lines;
      for (const source of [
        'conf/*.none',
        'conf/deep/*.none',
        'none/*',
        'link/*',
        '$A/*.yaml',
        'conf/deep/a.yaml/*',
      ])
        assert.equal(linesWith(`COPY ${source} /x/`), undefined, source);
      for (const source of ['conf/*', 'c*/d?ep/[a].yaml', '*.none', './*.none', 'none/none'])
        assert.equal(linesWith(`COPY ${source} /x/`), 3, source);
      assert.equal(linesWith('COPY --from=b none/* /x/'), 3);
    } finally {
      folder.remove();
    }
  });

  it('is not split where an argument asks for another reader, or for its checks', () => {
    const splitWith = (given: Record<string, string>) =>
      split(['FROM a', 'RUN x', 'COPY model.pkl /'], { arguments: given })?.lines;
    assert.equal(splitWith({ BUILDKIT_SYNTAX: 'example.com/x' }), undefined);
    assert.equal(splitWith({ BUILDKIT_DOCKERFILE_CHECK: 'error=true' }), undefined);
    assert.equal(splitWith({ BUILDKIT_SYNTAX: 'docker/dockerfile:1' }), 2);
  });
});
