import assert from 'node:assert/strict';
import { planTags, type TagFacts } from '../../../tasks/AcrBuildPush/tag-templates';

describe('templates of tags', () => {
  const facts: TagFacts = {
    modelVersion: undefined,
    revision: '0123456789abcdef',
    buildNumber: '20261123.4',
    branch: 'refs/heads/feature/Ageing fares',
  };

  /** The tags as one text; those that are meant to move are followed by a star. */
  const tagsOf = (lines: string[], changes: Partial<TagFacts> = {}) => {
    const { tags, problems } = planTags(lines, { ...facts, ...changes });
    assert.deepEqual(problems, []);
    return tags.map(({ tag, moves }) => `${tag}${moves ? '*' : ''}`).join(' ');
  };

  for (const { lines, changes, expected } of [
    { lines: ['1.2.3'], expected: '1.2.3' },
    { lines: ['latest'], expected: 'latest*' },
    { lines: ['latest', '1.2.3', '{{major}}.{{minor}}', '{{major}}'], expected: '1.2.3 1.2* 1* latest*' },
    { lines: ['v1.2.3+7', 'v{{major}}', '{{version}}-cpu'], expected: 'v1.2.3_7 v1* v1.2.3_7-cpu' },
    { lines: ['1.2.3', '1.2', '1'], expected: '1.2.3 1.2* 1*' },
    { lines: ['1.2', '{{version}}', '{{major}}'], expected: '1.2 1*' },
    { lines: ['{{version}}', 'latest'], changes: { modelVersion: '3.0.1' }, expected: '3.0.1 latest*' },
    { lines: ['1.0.0', '{{version}}'], changes: { modelVersion: '3.0.1' }, expected: '1.0.0' },
    {
      lines: ['{{sha}}', '{{buildNumber}}', '{{ branch }}'],
      expected: '0123456 20261123.4 feature-Ageing-fares*',
    },
    { lines: ['{{branch}}-{{sha}}'], expected: 'feature-Ageing-fares-0123456' },
    { lines: ['{{branch}}'], changes: { branch: 'refs/pull/12/merge' }, expected: 'pr-12*' },
    { lines: ['{{branch}}'], changes: { branch: 'refs/tags/v1' }, expected: 'v1*' },
    { lines: ['feature-x', 'latest'], expected: 'feature-x latest*' },
    { lines: ['2026-11-23', 'latest'], expected: '2026-11-23 latest*' },
  ] as { lines: string[]; changes?: Partial<TagFacts>; expected: string }[]) {
    it(`make ${lines.join(', ')} ${expected}`, () => assert.equal(tagsOf(lines, changes), expected));
  }

  for (const version of ['1.2.3-rc.1', 'v1.2.3-alpha', '1.2.3rc1', '1.2.dev4', '1.2.3-rc.1+5']) {
    it(`leave latest and the short tags where they are for ${version}`, () => {
      const lines = [version, '1.2', '{{major}}', 'v{{major}}.{{minor}}', 'latest', '{{sha}}'];
      const { tags, remarks, problems } = planTags(lines, facts);
      assert.deepEqual(problems, []);
      assert.deepEqual(
        tags.map(({ tag }) => tag),
        [version.replace('+', '_'), '0123456'],
      );
      assert.equal(
        remarks.at(-1),
        `${version} is a pre-release, so 1.2 and 1 and v1.2 and latest stays where it is.`,
      );
    });
  }

  it('refuse a pre-release that would have moving tags only', () => {
    const { problems } = planTags(['latest'], { ...facts, modelVersion: '1.0.0-rc.1' });
    assert.match(
      problems[0] ?? '',
      /^has latest only, which a pre-release such as 1\.0\.0-rc\.1 must not move/,
    );
  });

  for (const [line, changes, problem] of [
    ['{{patch}}', {}, /no template \{\{patch\}\}\. Known are version, major/],
    ['{{version}}', {}, /there is no version: write one out .* 'modelManifest'/],
    ['{{major}}', { modelVersion: 'candidate' }, /'candidate' is not a version such as 1\.2\.3/],
    ['{{minor}}', { modelVersion: '7' }, /'7' is not a version such as/],
    ['{{sha}}', { revision: undefined }, /no commit \(Build\.SourceVersion\)/],
    ['{{branch}}', { branch: undefined }, /no branch \(Build\.SourceBranch\)/],
    ['{{buildNumber}}', { buildNumber: undefined }, /no build number/],
    ['{{sha', {}, /not '\{'/],
  ] as const) {
    it(`say why ${line} can't be filled`, () => {
      assert.match(planTags([line], { ...facts, ...changes }).problems[0] ?? '', problem);
    });
  }
});
