import assert from 'node:assert/strict';
import {
  decideTags,
  lastingTags,
  type PlannedTag,
  publishingOrder,
  splitTags,
  tagProblem,
  toTag,
} from '../../../tasks/AcrBuildPush/tags';

/** Plans tags, of which `latest` and those without a dot move. */
const planned = (...tags: string[]): PlannedTag[] =>
  tags.map((tag) => ({ tag, moves: tag === 'latest' || /^v?\d+$/.test(tag) }));
const names = (tags: readonly PlannedTag[]) => tags.map(({ tag }) => tag);

describe('tags', () => {
  it('are read one a line or between commas, each once', () => {
    assert.deepEqual(splitTags('1.0.0\r\n latest \n\n1.0, 1.0.0'), ['1.0.0', 'latest', '1.0']);
  });

  it('are published with latest at the end', () => {
    assert.deepEqual(names(publishingOrder(planned('latest', '1.0.0', '1.0'))), ['1.0.0', '1.0', 'latest']);
  });

  it('take the build metadata of a version after an underscore', () => {
    assert.equal(toTag('1.0.0+5.sha'), '1.0.0_5.sha');
    assert.equal(toTag('1.0.0'), '1.0.0');
  });

  for (const tag of ['1.0.0', '_x', 'v1-rc.1', 'A', 'x'.repeat(128)]) {
    it(`may be ${tag.slice(0, 20)}`, () => assert.equal(tagProblem(tag), undefined));
  }

  for (const [tag, reason] of [
    ['1.0 beta', /not ' '. Give one tag a line/],
    ['titanic:1.0', /not ':'. Give the tag alone.*'repository'/],
    ['team/titanic', /not '\/'. Give the tag alone/],
    ['1.0.0+5', /not '\+'. Write it without '\+'/],
    ['{{version}}', /not '\{'/],
    ['-1', /must not begin with '-'/],
    ['.1', /must not begin with '\.'/],
    ['x'.repeat(129), /which is too long: 129 characters, of at most 128/],
  ] as const) {
    it(`must not be ${tag.slice(0, 20)}, and the broken rule is named`, () => {
      assert.match(tagProblem(tag) ?? '', reason);
    });
  }
});

describe('tags that exist', () => {
  const both = ['1.0.0', 'latest'];
  for (const { policy, tags, existing, publish, keep = [], conflicts = [] } of [
    { policy: 'overwrite', tags: both, existing: both, publish: both },
    { policy: 'fail', tags: both, existing: [], publish: both },
    { policy: 'fail', tags: both, existing: ['latest'], publish: both },
    { policy: 'fail', tags: both, existing: both, publish: both, conflicts: ['1.0.0'] },
    { policy: 'fail', tags: ['latest'], existing: ['latest'], publish: ['latest'], conflicts: ['latest'] },
    { policy: 'skip', tags: both, existing: ['latest'], publish: both },
    { policy: 'skip', tags: both, existing: ['1.0.0'], publish: [], keep: both },
    { policy: 'skip', tags: ['latest'], existing: ['latest'], publish: [], keep: ['latest'] },
    {
      policy: 'skip',
      tags: ['1.0', '2.0', '1', 'latest'],
      existing: ['1.0', '1'],
      publish: ['2.0', '1', 'latest'],
      keep: ['1.0'],
    },
    { policy: 'fail', tags: ['1.0.0', '1'], existing: ['1'], publish: ['1.0.0', '1'] },
    { policy: 'fail', tags: ['1'], existing: ['1'], publish: ['1'], conflicts: ['1'] },
  ] as const) {
    it(`${policy}: of ${tags}, with ${existing.length ? existing : 'none'} there, ${publish.length ? publish : 'none'} are published`, () => {
      const decision = decideTags(planned(...tags), new Set(existing), policy);
      assert.deepEqual({ ...decision, publish: names(decision.publish) }, { publish, keep, conflicts });
    });
  }
});

describe('lasting tags', () => {
  it('are those that do not move, or all where every one does', () => {
    assert.deepEqual(lastingTags(planned('1.0.0', '1', 'latest')), ['1.0.0']);
    assert.deepEqual(lastingTags(planned('latest')), ['latest']);
  });
});
