import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs, {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sinon from 'sinon';
import { walkContext } from '../../../../tasks/AcrBuildPush/context/build-context';
import { IgnoreRules } from '../../../../tasks/AcrBuildPush/context/ignore';

describe('what a build context has', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'context-'));
  });
  afterEach(() => {
    sinon.restore();
    syncBuiltinESMExports();
    rmSync(folder, { recursive: true });
  });

  const write = (name: string, content = name, mode = 0o644) => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
  };
  const walk = (platform: NodeJS.Platform, rules = '.git') =>
    Object.fromEntries(
      [...walkContext(folder, new IgnoreRules(rules), platform)].map(({ path, node }) => [path, node]),
    );
  const modes = (platform: NodeJS.Platform) =>
    Object.fromEntries(Object.entries(walk(platform)).map(([path, { mode }]) => [path, mode.toString(8)]));
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
      cwd: folder,
      stdio: 'pipe',
    });

  describe('on Windows, where files have no permissions', () => {
    it('has what docker gives everything there, so that folders can be entered and scripts started', () => {
      write('app/deep/f.txt', 'f', 0o666);
      write('run.sh', '#!/bin/sh', 0o666);
      write('read-only', 'r', 0o444);
      chmodSync(join(folder, 'app'), 0o666 | 0o700);
      assert.deepEqual(modes('win32'), {
        app: '755',
        'app/deep': '755',
        'app/deep/f.txt': '755',
        'read-only': '755',
        'run.sh': '755',
      });
    });

    for (const version of ['2', '3', '4']) {
      it(`has what a commit says of files that git tracks, from an index of version ${version}`, () => {
        write('src/serve.py');
        write('src/run.sh', '#!/bin/sh', 0o755);
        write('src/ünï.txt');
        write('untracked.sh');
        git('init', '--quiet');
        git('config', 'core.fileMode', 'true');
        git('add', 'src');
        if (version === '3') git('update-index', '--skip-worktree', 'src/serve.py');
        if (version === '4') git('update-index', '--index-version', '4');
        for (const name of ['src/serve.py', 'src/run.sh', 'src/ünï.txt'])
          chmodSync(join(folder, name), 0o666);
        assert.deepEqual(modes('win32'), {
          src: '755',
          'src/run.sh': '755',
          'src/serve.py': '644',
          'src/ünï.txt': '644',
          'untracked.sh': '755',
        });
      });
    }

    it('gives the same as Linux for a commit with a model beside it', () => {
      write('src/serve.py');
      write('src/run.sh', '#!/bin/sh', 0o755);
      git('init', '--quiet');
      git('add', '.');
      write('pickles/model.pkl');
      write('pickles/deep/flags.pkl');
      write('pickles/model-manifest.json', '{"files":[{"path":"model.pkl"},{"path":"deep/flags.pkl"}]}');
      assert.deepEqual(modes('win32'), modes('linux'));
    });

    it('does without an index that is damaged', () => {
      write('a.txt');
      for (const damage of ['', 'DIRC', 'DIRC\0\0\0\x02\0\0\0\x05', 'DIRC\0\0\0\x09\0\0\0\x01']) {
        write('.git/index', damage);
        assert.deepEqual(modes('win32'), { 'a.txt': '755' });
      }
    });

    it('has links with slashes', () => {
      symlinkSync('..\\other\\file.txt', join(folder, 'link'));
      const { link } = walk('win32');
      assert.ok(link?.kind === 'symlink');
      assert.equal(link.target, '../other/file.txt');
    });

    // To Node and to buildx, a junction is a link to a whole path of the agent, which leads nowhere in an image.
    it('has junctions as links', () => {
      symlinkSync('C:\\agent\\_work\\1\\s\\lib\\', join(folder, 'junction'));
      const { junction } = walk('win32');
      assert.ok(junction?.kind === 'symlink');
      assert.equal(junction.target, 'C:/agent/_work/1/s/lib/');
    });
  });

  it('has permissions as they are on other platforms', () => {
    write('a', 'a', 0o640);
    write('b', 'b', 0o4755);
    assert.deepEqual(modes('linux'), { a: '640', b: '4755' });
  });

  it('keeps files apart whose ids differ in the last of 64 bits only', () => {
    for (const name of ['a.txt', 'b.txt', 'c.txt']) write(name);
    linkSync(join(folder, 'a.txt'), join(folder, 'z.txt'));
    const sequence = 4_096n << 48n;
    const real = lstatSync;
    sinon.stub(fs, 'lstatSync').callsFake(((path: string, options?: { bigint?: boolean }) => {
      const stat = real(path, { bigint: true });
      const record: Record<string, bigint> = { 'a.txt': 1n, 'z.txt': 1n, 'b.txt': 2n, 'c.txt': 3n };
      const id = sequence + (record[basename(path)] ?? 0n);
      // As Node does: a file system's 64 bits, rounded where no bigint was asked for.
      Object.assign(stat, { ino: options?.bigint ? id : Number(id), nlink: 2n });
      return stat;
    }) as never);
    syncBuiltinESMExports();
    const contents = Object.values(walk(process.platform)).map((node) =>
      node.kind === 'file' ? node.content : undefined,
    );
    assert.equal(new Set(contents).size, 3);
  });
});
