import assert from 'node:assert/strict';
import { processesOf } from '../../../../tasks/ModelRegistryDownload/folder/owner';

/** What /proc/<pid>/stat says of a process, with a name that is hard to read over. */
const stat = (state: string, started: number) => `7 (a) b) ${state} ${'0 '.repeat(18)}${started} 0`;

/** A system on which process 7 answers a signal in some way. */
function system(
  answer: string | undefined,
  proc: Record<string, string> = {},
  platform: NodeJS.Platform = 'linux',
) {
  return processesOf({
    platform,
    kill() {
      if (answer) throw Object.assign(new Error(answer), { code: answer });
    },
    readProc: (file) => proc[file],
  });
}

describe('the owner of a lock', () => {
  const owner = { host: 'h', pid: 7, started: '100' };
  const cases: [what: string, answer: string | undefined, proc: Record<string, string>, isAlive: boolean][] =
    [
      ['that answers is alive', undefined, { '/proc/7/stat': stat('S', 100) }, true],
      ['that is stopped is alive', undefined, { '/proc/7/stat': stat('T', 100) }, true],
      ['of another user is alive', 'EPERM', { '/proc/7/stat': stat('S', 100) }, true],
      ['that is not there is dead', 'ESRCH', {}, false],
      [
        'that has ended, and whose parent has not asked yet, is dead',
        undefined,
        { '/proc/7/stat': stat('Z', 100) },
        false,
      ],
      ['whose id another process has by now is dead', undefined, { '/proc/7/stat': stat('S', 999) }, false],
      ['that the system tells nothing more of is alive', undefined, {}, true],
    ];
  for (const [what, answer, proc, isAlive] of cases) {
    it(what, () => assert.equal(system(answer, proc).isAlive(owner), isAlive));
  }

  it('is of another host in another container, and after another start of the machine', () => {
    const hosts = [
      { '/proc/sys/kernel/random/boot_id': 'b1\n', '/proc/self/ns/pid': 'pid:[1]' },
      { '/proc/sys/kernel/random/boot_id': 'b1\n', '/proc/self/ns/pid': 'pid:[2]' },
      { '/proc/sys/kernel/random/boot_id': 'b2\n', '/proc/self/ns/pid': 'pid:[1]' },
    ].map((proc) => system(undefined, proc).self.host);
    assert.equal(new Set(hosts).size, 3);
  });

  it('is told by its id alone where the system tells no more', () => {
    assert.equal(system(undefined, {}, 'win32').self.started, null);
    assert.equal(system(undefined, {}, 'win32').isAlive({ ...owner, started: null }), true);
    assert.equal(system('EPERM', {}, 'darwin').isAlive({ ...owner, started: null }), true);
  });

  it('is this very process, seen from itself', () => {
    const { self, isAlive } = processesOf();
    assert.equal(self.pid, process.pid);
    assert.ok(isAlive(self));
    assert.ok(!isAlive({ ...self, pid: 2 ** 30 }));
  });
});
