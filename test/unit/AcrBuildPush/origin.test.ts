import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOrigin } from '../../../tasks/AcrBuildPush/origin';
import { temporaryFolder } from './support';

const COMMITTED = '2026-11-23T06:00:00.000Z';

describe('the time of an image', () => {
  const folder = temporaryFolder();
  const sources = join(folder.path, 'sources');
  const temp = join(folder.path, 'temp');
  const path = process.env.PATH;
  let commit = '';

  before(() => {
    mkdirSync(join(sources, 'api'), { recursive: true });
    mkdirSync(temp);
    writeFileSync(join(sources, 'api', 'Dockerfile'), 'FROM scratch\n');
    commit = commitAll(sources, COMMITTED);
  });
  afterEach(() => {
    process.env.PATH = path;
  });
  after(() => folder.remove());

  function git(top: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
    const own = { PATH: path, HOME: folder.path, GIT_CONFIG_NOSYSTEM: '1', ...env };
    return execFileSync('git', ['-C', top, ...args], { env: own, encoding: 'utf8' }).trim();
  }

  function commitAll(top: string, date: string): string {
    git(top, ['init', '-q']);
    git(top, ['add', '.']);
    const who = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
    const times = { GIT_COMMITTER_DATE: date, GIT_AUTHOR_DATE: '2020-01-01T00:00:00Z' };
    git(top, [...who, 'commit', '-q', '-m', 'Serve the model'], times);
    return git(top, ['rev-parse', 'HEAD']);
  }

  async function timeOf(
    variables: Readonly<Record<string, string>> = {},
    buildArgs: Readonly<Record<string, string>> = {},
    dockerfile = join(sources, 'api', 'Dockerfile'),
  ): Promise<string> {
    const known: Record<string, string> = { 'Build.SourceVersion': commit, ...variables };
    const task = { variable: (name: string) => known[name], tempFolder: temp };
    return (await readOrigin({ buildArgs, dockerfile }, task)).created.toISOString();
  }

  /** Takes what asks, and not the answer: some are given at once, a millisecond before the call of this. */
  async function isNow(time: () => Promise<string>): Promise<void> {
    const before = new Date().toISOString();
    const made = await time();
    assert.ok(made >= before && made <= new Date().toISOString(), made);
  }

  it("is its commit's", async () => {
    assert.equal(await timeOf(), COMMITTED);
  });

  it("is its commit's also where the Dockerfile lies outside the checkout", async () => {
    const outside = join(folder.path, 'Dockerfile');
    assert.equal(await timeOf({ 'Build.SourcesDirectory': sources }, {}, outside), COMMITTED);
  });

  it("is its commit's in another worktree", async () => {
    const worktree = join(folder.path, 'worktree');
    git(sources, ['worktree', 'add', '-q', '--detach', worktree]);
    assert.equal(await timeOf({}, {}, join(worktree, 'api', 'Dockerfile')), COMMITTED);
  });

  it('is what SOURCE_DATE_EPOCH says, as a build argument before a variable', async () => {
    const variables = { SOURCE_DATE_EPOCH: '1000000000' };
    assert.equal(await timeOf(variables), '2001-09-09T01:46:40.000Z');
    assert.equal(await timeOf(variables, { SOURCE_DATE_EPOCH: '0' }), '1970-01-01T00:00:00.000Z');
    assert.equal(await timeOf({ SOURCE_DATE_EPOCH: '' }), COMMITTED);
  });

  for (const time of ['yesterday', '-1', '1.5', '1e9', '999999999999', '2026-11-23']) {
    it(`is not '${time}'`, async () => {
      await assert.rejects(timeOf({ SOURCE_DATE_EPOCH: time }), {
        name: 'TaskError',
        message: new RegExp(`^SOURCE_DATE_EPOCH is '${time}'`),
      });
    });
  }

  it('is now where the commit is not to be found', async () => {
    await isNow(() => timeOf({ 'Build.SourceVersion': 'f'.repeat(40) }));
    await isNow(() => timeOf({ 'Build.SourceVersion': '' }));
    await isNow(() => timeOf({ 'Build.SourceVersion': '--output=/tmp/x' }));
    await isNow(() => timeOf({}, {}, join(folder.path, 'Dockerfile')));
  });

  it('is now where there is no git', async () => {
    process.env.PATH = temp;
    await isNow(() => timeOf());
  });

  it('takes nothing from a repository that is itself a part of the commit, and starts no program of it', async () => {
    const top = join(folder.path, 'planted');
    const planted = join(top, 'api');
    mkdirSync(top);
    git(top, ['init', '-q', '--bare', planted]);
    const mark = join(temp, 'mark');
    const program = join(top, 'git');
    writeFileSync(program, `#!/bin/sh\ntouch ${mark}\n`);
    chmodSync(program, 0o755);
    writeFileSync(
      join(planted, 'config'),
      `[core]\n\tbare = true\n\tfsmonitor = ${program}\n\tpager = ${program}\n`,
    );
    writeFileSync(join(planted, 'Dockerfile'), 'FROM scratch\n');
    commit = commitAll(top, '2026-11-24T06:00:00Z');
    assert.equal(await timeOf({}, {}, join(planted, 'Dockerfile')), '2026-11-24T06:00:00.000Z');
    assert.throws(() => execFileSync('cat', [mark], { stdio: 'ignore' }));
  });
});
