// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import assert from 'node:assert/strict';
import {
  countInstructions,
  explainBaseName,
  findBaseImage,
} from '../../../../tasks/AcrBuildPush/dockerfile/base-image';

interface Case {
  readonly recipe: string;
  readonly target?: string;
  readonly args?: Record<string, string>;
  readonly base: string | undefined;
}

const digest = `sha256:${'a'.repeat(64)}`;
const platform = { os: 'linux', architecture: 'arm64' };

const CASES: readonly Case[] = [
  { recipe: 'FROM python', base: 'docker.io/library/python:latest' },
  { recipe: 'FROM org/python:3', base: 'docker.io/org/python:3' },
  { recipe: 'FROM localhost:5000/python', base: 'localhost:5000/python:latest' },
  { recipe: 'FROM --platform=linux/arm64 r.azurecr.io/a/b:1 AS x', base: 'r.azurecr.io/a/b:1' },
  { recipe: 'FROM scratch', base: undefined },
  { recipe: 'FROM a:1 AS one\nFROM b:1 AS two\nFROM One', base: 'docker.io/library/a:1' },
  { recipe: 'FROM a:1 AS one\nFROM b:1 AS two\nFROM one', target: 'TWO', base: 'docker.io/library/b:1' },
  { recipe: 'FROM a:1 AS one\nFROM b:1', target: 'one', base: 'docker.io/library/a:1' },
  { recipe: 'FROM a:1', target: 'nope', base: undefined },
  { recipe: 'ARG V=3.12\nFROM python:${V}', base: 'docker.io/library/python:3.12' },
  { recipe: 'ARG V="3.12"\nARG B=python:$V\nFROM $B', base: 'docker.io/library/python:3.12' },
  { recipe: 'ARG V=3.12\nFROM python:$V', args: { V: '3.9' }, base: 'docker.io/library/python:3.9' },
  { recipe: 'FROM python:${V:-3.1}', base: 'docker.io/library/python:3.1' },
  { recipe: 'FROM python:${V-3.12}', base: 'docker.io/library/python:3.12' },
  { recipe: 'ARG V=x\nFROM python:${V:+3.11}', base: 'docker.io/library/python:3.11' },
  { recipe: 'ARG V=v3.12\nFROM python:${V#v}', base: 'docker.io/library/python:3.12' },
  { recipe: 'FROM python:$TARGETARCH', base: 'docker.io/library/python:arm64' },
  { recipe: 'FROM python:${TARGETOS}', base: 'docker.io/library/python:linux' },
  { recipe: 'FROM "python:3.12"', base: 'docker.io/library/python:3.12' },
  { recipe: "FROM 'python':3.12", base: 'docker.io/library/python:3.12' },
  { recipe: 'FROM python:$V', base: undefined },
  { recipe: "ARG V=1\nARG B='$V'\nFROM python:$B", base: undefined },
  { recipe: 'FROM a:1\nCOPY <<EOF /x\nFROM alpine:3.20\nEOF', base: 'docker.io/library/a:1' },
  { recipe: 'FROM a:1\nRUN cat << EOF\nFROM alpine:3.20\nEOF', base: 'docker.io/library/a:1' },
  {
    recipe: 'COPY <<EOF /x\nARG V=2\nEOF\nARG V=1\nFROM a:$V',
    base: 'docker.io/library/a:1',
  },
  { recipe: 'FROM a:1 \\\n# escape=`\n AS x\nFROM x', base: 'docker.io/library/a:1' },
  { recipe: 'FROM a:1\nNEWER thing\nCMD x', base: 'docker.io/library/a:1' },
  { recipe: `FROM python@${digest}`, base: 'docker.io/library/python' },
];

describe('the base image of', () => {
  for (const { recipe, target, args = {}, base } of CASES) {
    it(`${JSON.stringify(recipe)}${target ? ` up to ${target}` : ''} is ${base ?? 'not known'}`, () => {
      const found = findBaseImage(recipe, [{ target, arguments: args, platform }]);
      assert.equal(found?.name, base);
      assert.equal(found?.digest, /@(.*)$/.exec(recipe)?.[1]);
    });
  }
});

describe('what a Dockerfile adds to its base image', () => {
  it('is counted through all stages, documents as a part of their instruction', () => {
    const recipe = 'FROM a AS one\nENV A=1\nRUN <<EOF\nCMD x\nEOF\nFROM b\nCMD y\nFROM one\nCMD z';
    assert.equal(countInstructions(recipe, { target: undefined, arguments: {}, platform }), 3);
  });
});

describe('the name of a base image', () => {
  const explain = (recipe: string, missing: string, given: Record<string, string> = {}) =>
    explainBaseName(recipe, { target: undefined, arguments: given, platform }, `There is no '${missing}'.`);

  it('is told where it comes from, where its line does not just say it', () => {
    assert.equal(
      explain('ARG VERSION=3.12\nFROM python:${VERSION}-slim', 'library/python:1.0.0-slim', {
        VERSION: '1.0.0',
      }),
      "Line 2 of the Dockerfile names it as 'python:${VERSION}-slim', with the build argument VERSION=1.0.0.",
    );
    assert.equal(
      explain('FROM a:1\nARG V=3\nFROM a', 'a:1') ?? explain('ARG V=3\nFROM python:$V-$W', 'python:3-'),
      "Line 2 of the Dockerfile names it as 'python:$V-$W', with V=3 and W, which is not set.",
    );
    assert.equal(explain('FROM python:3', 'python:3'), undefined);
  });
});
