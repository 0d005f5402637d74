import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { IgnoreRules } from '../../../../tasks/AcrBuildPush/context/ignore';
import { packContext } from '../../../../tasks/AcrBuildPush/context/pack';
import { temporaryFolder } from '../support';

describe('a packed build context', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let context: string;
  beforeEach(() => {
    folder = temporaryFolder();
    context = join(folder.path, 'context');
    mkdirSync(join(context, 'a', 'empty'), { recursive: true });
    writeFileSync(join(context, 'a', 'run.sh'), '#!/bin/sh\n');
    chmodSync(join(context, 'a', 'run.sh'), 0o755);
    writeFileSync(join(context, 'out'), 'left out');
    symlinkSync('a/run.sh', join(context, 'link'));
  });
  afterEach(() => folder.remove());

  async function pack(rules = '', extra = [{ name: 'x_Dockerfile', content: Buffer.from('FROM scratch') }]) {
    const chunks: Buffer[] = [];
    for await (const chunk of packContext(context, new IgnoreRules(rules), extra)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  const list = (archive: Buffer) =>
    execFileSync('tar', ['-t'], { input: archive, encoding: 'utf8' }).trim().split('\n');

  it('is read by tar, with modes and links, and without what is left out', async () => {
    const archive = await pack('out');
    assert.deepEqual(list(archive), ['a/', 'a/empty/', 'a/run.sh', 'link', 'x_Dockerfile']);
    const target = join(folder.path, 'target');
    mkdirSync(target);
    execFileSync('tar', ['-x', '-C', target], { input: archive });
    assert.equal(readFileSync(join(target, 'link'), 'utf8'), '#!/bin/sh\n');
    assert.equal(statSync(join(target, 'a', 'run.sh')).mode & 0o777, 0o755);
    assert.equal(readFileSync(join(target, 'x_Dockerfile'), 'utf8'), 'FROM scratch');
  });

  it('holds what is taken in again below a folder that is left out', async () => {
    assert.deepEqual(list(await pack('a\n!a/run.sh\nout\nlink', [])), ['a/', 'a/run.sh']);
  });

  it('leaves out no file for its name alone', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${context}/a/caf`), Buffer.from([0xe9])]), '');
    await assert.rejects(
      pack(),
      /has 'caf\uFFFD', whose name is not in UTF-8\. Rename it, or leave 'a\/caf\uFFFD' out/,
    );
    assert.deepEqual(list(await pack('a/caf*\nout\nlink', [])), ['a/', 'a/empty/', 'a/run.sh']);
  });

  it('takes names and links of any length', async () => {
    const long = join('d'.repeat(90), 'ä'.repeat(90));
    mkdirSync(join(context, 'd'.repeat(90)));
    writeFileSync(join(context, long), 'deep');
    symlinkSync('t'.repeat(150), join(context, 'z'));
    const archive = await pack();
    const target = join(folder.path, 'target');
    mkdirSync(target);
    execFileSync('tar', ['-x', '-C', target], { input: archive });
    assert.equal(readFileSync(join(target, long), 'utf8'), 'deep');
  });

  it('is the same for the same files, whenever they were written', async () => {
    const first = await pack();
    utimesSync(join(context, 'out'), 1, 1);
    assert.ok(first.equals(await pack()));
  });
});
