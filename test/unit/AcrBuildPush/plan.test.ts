import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Inputs } from '../../../tasks/AcrBuildPush/inputs';
import { baseLabels, imageAnnotations, imageLabels } from '../../../tasks/AcrBuildPush/labels';
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

  it('gives VERSION to a Dockerfile that asks for it', () => {
    const { build, remarks } = plan('FROM scratch\nARG VERSION');
    assert.deepEqual(build.arguments, { VERSION: '1.0.0+5' });
    assert.ok(remarks.includes('Build argument VERSION is 1.0.0+5.'));
    assert.deepEqual(plan('FROM scratch\nARG OTHER').build.arguments, {});
  });

  for (const [what, recipe] of [
    ['before the first FROM', 'ARG VERSION=3.12\nFROM python:$VERSION\nCOPY . /'],
    ['before the first FROM and inside', 'ARG VERSION=3.12\nFROM python:$VERSION\nARG VERSION'],
    ['before the first FROM, without a default', 'ARG VERSION\nFROM python:3\nARG VERSION'],
    ['with a default', 'FROM scratch\nARG VERSION=3.12'],
    ['with an empty default', 'FROM scratch\nARG VERSION='],
    ['with a default in another stage', 'FROM a\nARG VERSION=20\nFROM b\nARG VERSION'],
  ] as const) {
    it(`leaves an ARG VERSION ${what} alone, and says so`, () => {
      const { build, remarks } = plan(recipe);
      assert.deepEqual(build.arguments, {});
      assert.match(
        remarks.join(),
        /has a value of its own for VERSION.*add VERSION=1\.0\.0\+5 to input 'buildArgs'/,
      );
    });
  }

  it('says which arguments no line of the Dockerfile takes', () => {
    const buildArgs = { USED: '1', GLOBAL: '2', TYPO: '3', http_proxy: '4', TARGETARCH: '5', OTHER: '6' };
    const { remarks } = plan('ARG GLOBAL\nFROM scratch\nARG USED\n', { buildArgs });
    assert.match(remarks.join('\n'), /'buildArgs' gives TYPO and OTHER, but the Dockerfile has no ARG line/);
    assert.doesNotMatch(
      plan('FROM scratch\nARG USED', { buildArgs: { USED: '1' } }).remarks.join(),
      /buildArgs/,
    );
  });

  it('takes what stands in a document or a comment for no declaration', () => {
    const { build, remarks } = plan('FROM scratch\n# ARG VERSION\nCOPY <<EOF /x\nARG VERSION\nEOF\n');
    assert.deepEqual(build.arguments, {});
    assert.equal(remarks.length, 1);
  });

  it('knows a base image whose name is the same for all platforms only', () => {
    const platforms = ['linux/amd64', 'linux/arm64'];
    assert.equal(plan('FROM a:$TARGETOS', { platforms }).build.base?.name, 'docker.io/library/a:linux');
    assert.equal(plan('FROM a:$TARGETARCH', { platforms }).build.base, undefined);
    assert.equal(
      plan('FROM a:$TARGETARCH', { platforms: ['linux/arm64'] }).build.base?.name,
      'docker.io/library/a:arm64',
    );
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
