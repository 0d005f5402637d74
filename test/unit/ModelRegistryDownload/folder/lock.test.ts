import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OpenFolder } from '../../../../tasks/common/files/open-folder';
import { createLogger } from '../../../../tasks/common/log';
import {
  HEARTBEAT,
  type Lock,
  type Timing,
  takeLock,
} from '../../../../tasks/ModelRegistryDownload/folder/lock';
import type { Owner, Processes } from '../../../../tasks/ModelRegistryDownload/folder/owner';
import { temporaryFolder } from '../support';

/** Time that passes only while somebody waits for it: what is due is done first. */
class FakeTime implements Timing {
  private now = 0;
  private readonly beats = new Set<{ every: number; next: number; beat: () => Promise<void> }>();

  every(milliseconds: number, beat: () => Promise<void>): () => void {
    const entry = { every: milliseconds, next: this.now + milliseconds, beat };
    this.beats.add(entry);
    return () => this.beats.delete(entry);
  }

  async sleep(milliseconds: number): Promise<void> {
    this.now += milliseconds;
    for (const entry of [...this.beats]) {
      for (; entry.next <= this.now; entry.next += entry.every) await entry.beat();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  get seconds(): number {
    return this.now / 1000;
  }
}

/** A host on which only the named processes are alive. */
function host(name: string, pid: number, alive: readonly number[]): Processes {
  const self: Owner = { host: name, pid, started: null };
  return { self, isAlive: (owner) => alive.includes(owner.pid) };
}

describe('the lock of a folder', () => {
  let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
  let folder: OpenFolder;
  let file: string;
  let time: FakeTime;

  beforeEach(async () => {
    workspace = await temporaryFolder();
    folder = OpenFolder.open(workspace.path);
    file = join(workspace.path, '.model.lock');
    time = new FakeTime();
  });

  afterEach(async () => {
    folder.close();
    await workspace.remove();
  });

  const take = (processes: Processes, timing: Timing = time, onBury?: (id: string) => Promise<void>) =>
    takeLock(folder, '.model.lock', {
      what: '/models/model',
      signal: new AbortController().signal,
      log: createLogger(() => {}),
      processes,
      timing,
      ...(onBury && { onBury }),
    });

  /** The lock of a process that has ended without letting it go. */
  async function leaveDead(processes: Processes): Promise<string> {
    // Its heart beats in a time of its own, which stands still.
    return (await take(processes, new FakeTime())).id;
  }

  it('is one step’s alone, and free again when that lets it go', async () => {
    const lock = await take(host('a', 1, [1]));
    await assert.rejects(take(host('a', 2, [1])), /Another step is downloading to '\/models\/model'/);
    lock.confirm();
    await lock.release();
    assert.deepEqual(await readdir(workspace.path), []);
    await (await take(host('a', 2, [1]))).release();
  });

  it('of a process that has ended is taken at once', async () => {
    const buried: string[] = [];
    const dead = await leaveDead(host('a', 1, []));
    const lock = await take(host('a', 2, []), time, async (id) => void buried.push(id));
    assert.equal(time.seconds, 0);
    assert.deepEqual(buried, [dead]);
    assert.deepEqual(await readdir(workspace.path), ['.model.lock']);
    await lock.release();
  });

  it('of a process that is there counts, however long it gives no sign of life', async () => {
    await leaveDead(host('a', 1, [1]));
    await utimes(file, 0, 0);
    await time.sleep(3_600_000);
    await assert.rejects(take(host('a', 2, [1])), /Another step is downloading/);
  });

  it('of another host is taken when it was watched for two heartbeats, whatever its time', async () => {
    await leaveDead(host('a', 1, [1]));
    const future = new Date(Date.now() + 65_000);
    await utimes(file, future, future);
    await (await take(host('b', 1, [1]))).release();
    assert.equal(time.seconds, (2 * HEARTBEAT) / 1000);
  });

  it('of another host counts while its heart beats, also on a disk that keeps no times', async () => {
    const lock = await take(host('a', 1, []));
    await assert.rejects(take(host('b', 1, [])), /Another step is downloading/);
    assert.ok(time.seconds <= HEARTBEAT / 1000);
    await utimes(file, 0, 0);
    await assert.rejects(take(host('b', 1, [])), /Another step is downloading/);
    lock.confirm();
    await lock.release();
  });

  it('is no longer that of a step which was taken for dead, and that step does not touch the next one’s', async () => {
    const stopped = await take(host('a', 1, []), new FakeTime());
    const next = await take(host('b', 1, []));
    assert.throws(() => stopped.confirm(), /Another step has taken '\/models\/model' over/);
    await stopped.release();
    next.confirm();
    await next.release();
  });

  for (const [what, before] of [
    ['dead', () => leaveDead(host('a', 1, []))],
    ['dead, and of another host', () => leaveDead(host('b', 1, []))],
    ['empty', () => writeFile(file, '')],
    ['no', async () => {}],
  ] as const) {
    it(`is one claimant’s of many that come at once upon ${what} lock`, async () => {
      for (let round = 0; round < 30; round++) {
        await before();
        let held = 0;
        const claims = await Promise.allSettled(
          Array.from({ length: 12 }, async (_, n) => {
            const lock = await take(
              host(
                'a',
                10 + n,
                Array.from({ length: 12 }, (_, m) => 10 + m),
              ),
            );
            held += 1;
            assert.equal(held, 1, 'two have it');
            lock.confirm();
            return lock;
          }),
        );
        const locks = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []));
        assert.equal(locks.length, 1);
        for (const claim of claims) {
          if (claim.status === 'rejected') assert.match(claim.reason.message, /Another step is downloading/);
        }
        await (locks[0] as Lock).release();
        assert.deepEqual(await readdir(workspace.path), []);
      }
    });
  }

  it('leaves nothing of a claimant that was killed while it buried another', async () => {
    const dead = await leaveDead(host('a', 1, []));
    await writeFile(`${file}.${dead}`, await readFile(file));
    const lock = await take(host('a', 2, []));
    assert.deepEqual(await readdir(workspace.path), ['.model.lock']);
    // Killed later: the lock was gone, and that on it was not.
    await writeFile(`${file}.${dead}`, (await readFile(file, 'utf8')).replace('"pid":2', '"pid":1'));
    await lock.release();
    await (await take(host('a', 3, []))).release();
    assert.deepEqual(await readdir(workspace.path), []);
  });

  const planted: [what: string, plant: () => Promise<unknown>][] = [
    ['a link to a file', () => symlink('../victim', file)],
    ['a link to nothing', () => symlink('../nothing', file)],
    ['a folder', () => mkdir(file)],
    ['a file of something else', () => writeFile(file, '{"id":"x"}')],
    ['text', () => writeFile(file, 'lock me')],
  ];
  for (const [what, plant] of planted) {
    it(`does not touch ${what} in its place, and names it`, async () => {
      const victim = join(workspace.path, '../victim');
      await writeFile(victim, 'precious');
      await plant();
      const before = await readdir(workspace.path, { recursive: true });
      await assert.rejects(
        take(host('a', 1, [1])),
        /\.model\.lock' (is a link|is no file|holds something else)/,
      );
      assert.deepEqual(await readdir(workspace.path, { recursive: true }), before);
      assert.equal(await readFile(victim, 'utf8'), 'precious');
      assert.deepEqual((await readdir(join(workspace.path, '..'))).sort(), ['victim', 'work', 'workspace']);
    });
  }
});
