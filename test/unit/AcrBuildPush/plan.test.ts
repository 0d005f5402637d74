import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { declaredArguments, readInstructions } from '../../../tasks/AcrBuildPush/docker/dockerfile';
import { findBaseImage } from '../../../tasks/AcrBuildPush/dockerfile/base-image';
import type { Inputs } from '../../../tasks/AcrBuildPush/inputs';
import {
  baseLabels,
  imageAnnotations,
  imageLabels,
  parseModelManifest,
  readTrainingRun,
} from '../../../tasks/AcrBuildPush/labels';
import { makePlan } from '../../../tasks/AcrBuildPush/plan';
import { leastInputs, temporaryFolder } from './support';

const created = new Date('2026-11-23T06:00:00Z');

describe('the plan', () => {
  const folder = temporaryFolder();
  const dockerfile = join(folder.path, 'Dockerfile');
  after(() => folder.remove());

  function plan(recipe: string, inputs: Partial<Inputs> = {}) {
    writeFileSync(dockerfile, recipe);
    return makePlan(
      {
        ...leastInputs,
        version: '1.0.0+5',
        tagRemarks: ["Tag 1.0.0+5 becomes 1.0.0_5: tags can't hold a '+'."],
        dockerfile,
        buildContext: folder.path,
        ...inputs,
      },
      { revision: 'abc', source: 'https://dev.azure.com/x', created },
    );
  }

  it('names the image, and says what was made of its tags', () => {
    const { name, remarks } = plan('FROM scratch');
    assert.equal(name, 'r.azurecr.io/titanic');
    assert.deepEqual(remarks, ["Tag 1.0.0+5 becomes 1.0.0_5: tags can't hold a '+'."]);
  });

  it('gives VERSION to a Dockerfile that declares it', () => {
    assert.deepEqual(plan('FROM scratch\nARG VERSION=0').build.arguments, { VERSION: '1.0.0+5' });
    assert.deepEqual(plan('FROM scratch\nARG OTHER').build.arguments, {});
  });

  it('leaves a VERSION that the user set', () => {
    const { build } = plan('ARG VERSION', { buildArgs: { VERSION: '2', OTHER: '3' } });
    assert.deepEqual(build.arguments, { VERSION: '2', OTHER: '3' });
  });
});

describe('labels', () => {
  const model = { name: 'titanic', version: '1.0.0', digest: 'sha256:aa' };
  const origin = { revision: 'abc', source: 'https://dev.azure.com/x/_git/y', created };

  it('say what the image is, where it comes from, and which model it holds', () => {
    assert.deepEqual(imageLabels('1.0.0', origin, model, { team: 'blue' }), {
      'org.opencontainers.image.version': '1.0.0',
      'org.opencontainers.image.revision': 'abc',
      'org.opencontainers.image.source': 'https://dev.azure.com/x/_git/y',
      'org.opencontainers.image.created': '2026-11-23T06:00:00.000Z',
      'model.name': 'titanic',
      'model.version': '1.0.0',
      'model.digest': 'sha256:aa',
      team: 'blue',
    });
  });

  it('name the base image as far as it is known', () => {
    assert.deepEqual(baseLabels(undefined), {});
    assert.deepEqual(baseLabels({ name: 'docker.io/library/python:3.12', digest: 'sha256:b' }), {
      'org.opencontainers.image.base.name': 'docker.io/library/python:3.12',
      'org.opencontainers.image.base.digest': 'sha256:b',
    });
  });

  it('of general meaning are annotations too', () => {
    const labels = { team: 'blue', 'org.opencontainers.image.version': '1', 'model.name': 'titanic' };
    assert.deepEqual(imageAnnotations(labels), {
      'org.opencontainers.image.version': '1',
      'model.name': 'titanic',
    });
  });

  it('leave out what is not known', () => {
    const labels = imageLabels('1', { revision: undefined, source: undefined, created }, undefined, {});
    assert.deepEqual(Object.keys(labels), [
      'org.opencontainers.image.version',
      'org.opencontainers.image.created',
    ]);
  });

  it('of the user win', () => {
    const labels = imageLabels('1', origin, model, { 'org.opencontainers.image.version': 'mine' });
    assert.equal(labels['org.opencontainers.image.version'], 'mine');
  });

  it("do not publish the user or token in a repository's address", () => {
    for (const user of ['org', 'x-access-token:t0ken']) {
      const source = `https://${user}@dev.azure.com/x/_git/y`;
      assert.equal(
        imageLabels('1', { ...origin, source }, undefined, {})['org.opencontainers.image.source'],
        'https://dev.azure.com/x/_git/y',
      );
    }
  });
});

describe("a model's manifest", () => {
  it('gives name, version and digest', () => {
    const text = '{"schemaVersion":1,"name":"titanic","version":"1.0.0","digest":"sha256:aa","files":[]}';
    assert.deepEqual(parseModelManifest(text), { name: 'titanic', version: '1.0.0', digest: 'sha256:aa' });
  });

  it('names the run that trained it, or the file beside it does', () => {
    const text = '{"name":"titanic","version":"1.0.0","digest":"sha256:aa","trainingRun":"4711"}';
    assert.equal(parseModelManifest(text).trainingRun, '4711');
    const folder = temporaryFolder();
    try {
      const file = join(folder.path, 'metadata.json');
      assert.equal(readTrainingRun(file), undefined);
      for (const [runId, expected] of [
        ['"855018371842731"', '855018371842731'],
        ['42', '42'],
        ['null', undefined],
        ['9007199254740993', undefined],
      ]) {
        writeFileSync(file, `{"runId":${runId}}`);
        assert.equal(readTrainingRun(file), expected);
      }
    } finally {
      folder.remove();
    }
  });

  for (const text of ['', '[]', 'null', '{"name":"titanic"}']) {
    it(`is not ${text || 'an empty file'}`, () => assert.throws(() => parseModelManifest(text)));
  }
});

describe('a Dockerfile', () => {
  it('is read as instructions with their lines', () => {
    const recipe = [
      '\uFEFF# syntax=docker/dockerfile:1',
      'FROM  scratch',
      '',
      'RUN one \\',
      '  # a comment in between',
      '',
      '  && two',
      'CMD ["x"]',
    ].join('\r\n');
    assert.deepEqual(readInstructions(recipe), [
      { line: 2, text: 'FROM scratch' },
      { line: 4, text: 'RUN one && two' },
      { line: 8, text: 'CMD ["x"]' },
    ]);
  });

  it('may continue lines with another character', () => {
    assert.deepEqual(readInstructions('# escape=`\nRUN a `\n b\nCOPY c C:\\\nCMD d'), [
      { line: 2, text: 'RUN a b' },
      { line: 4, text: 'COPY c C:\\' },
      { line: 5, text: 'CMD d' },
    ]);
  });

  it('declares its arguments', () => {
    const recipe =
      'ARG BASE=x\nFROM $BASE\narg VERSION OTHER="1 2" \\\n LAST\n# ARG NOT\nRUN echo ARG NEITHER';
    const declared = declaredArguments(recipe);
    for (const name of ['BASE', 'VERSION', 'OTHER', 'LAST']) assert.ok(declared.has(name), name);
    for (const name of ['NOT', 'NEITHER']) assert.ok(!declared.has(name), name);
  });
});

describe('the base image of', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  for (const { recipe, target, args = {}, base } of [
    { recipe: 'FROM python', base: 'docker.io/library/python:latest' },
    { recipe: 'FROM org/python:3', base: 'docker.io/org/python:3' },
    { recipe: 'FROM localhost:5000/python', base: 'localhost:5000/python:latest' },
    { recipe: 'FROM --platform=linux/arm64 r.azurecr.io/a/b:1 AS x', base: 'r.azurecr.io/a/b:1' },
    { recipe: 'FROM scratch', base: undefined },
    { recipe: 'FROM a:1 AS one\nFROM b:1 AS two\nFROM One', base: 'docker.io/library/a:1' },
    { recipe: 'FROM a:1 AS one\nFROM b:1 AS two\nFROM one', target: 'TWO', base: 'docker.io/library/b:1' },
    { recipe: 'FROM a:1\nFROM b:1', target: '0', base: 'docker.io/library/a:1' },
    { recipe: 'FROM a:1', target: 'nope', base: undefined },
    { recipe: `ARG V=3.12\nFROM python:$\{V}`, base: 'docker.io/library/python:3.12' },
    { recipe: 'ARG V="3.12"\nARG B=python:$V\nFROM $B', base: 'docker.io/library/python:3.12' },
    { recipe: 'ARG V=3.12\nFROM python:$V', args: { V: '3.9' }, base: 'docker.io/library/python:3.9' },
    { recipe: `FROM python:$\{V:-3.1}`, base: 'docker.io/library/python:3.1' },
    { recipe: 'FROM python:$TARGETARCH', base: undefined },
    { recipe: `FROM python@${digest}`, base: 'docker.io/library/python' },
  ] as {
    recipe: string;
    target?: string;
    args?: Record<string, string>;
    base: string | undefined;
  }[]) {
    it(`${JSON.stringify(recipe)}${target ? ` up to ${target}` : ''} is ${base ?? 'not known'}`, () => {
      const found = findBaseImage(recipe, target, args);
      assert.equal(found?.name, base);
      assert.equal(found?.digest, /@(.*)$/.exec(recipe)?.[1]);
    });
  }
});
