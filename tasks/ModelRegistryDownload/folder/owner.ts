import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, told from all others that there are and were. */
export interface Owner {
  /** The machine, or the container, whose process ids are meant. */
  readonly host: string;
  readonly pid: number;
  /** When it was started, as the system counts; null where the system does not tell. */
  readonly started: string | null;
}

/** This process, and what can be known of others. */
export interface Processes {
  readonly self: Owner;
  /** Whether a process of this host is there. One that is stopped is. */
  isAlive(owner: Owner): boolean;
}

interface System {
  readonly platform: NodeJS.Platform;
  /** Asks for a process by the signal 0. */
  kill(pid: number): void;
  /** A file below /proc, undefined where there is none. */
  readProc(file: string): string | undefined;
}

const SYSTEM: System = {
  platform: process.platform,
  kill: (pid) => void process.kill(pid, 0),
  readProc(file) {
    try {
      return file.includes('/ns/') ? readlinkSync(file) : readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  },
};

/** @param system for tests */
export function processesOf(system: System = SYSTEM): Processes {
  return {
    self: { host: hostId(system), pid: process.pid, started: lookUp(process.pid, system)?.started ?? null },
    isAlive({ pid, started }) {
      try {
        system.kill(pid);
      } catch (error) {
        // Another user's process may be seen, and not be sent a signal.
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
      }
      const found = lookUp(pid, system);
      // What has ended stays in the system's list until its parent asks after it, and an id is given again.
      return !found || (!found.hasEnded && (started === null || found.started === started));
    },
  };
}

/**
 * Containers may share a name, and each has process ids of its own; a machine that was started anew knows none of the
 * processes from before.
 */
function hostId({ platform, readProc }: System): string {
  if (platform !== 'linux') return hostname();
  const boot = readProc('/proc/sys/kernel/random/boot_id')?.trim();
  return [hostname(), boot, readProc('/proc/self/ns/pid')].filter(Boolean).join(' ');
}

function lookUp(pid: number, { platform, readProc }: System) {
  const stat = platform === 'linux' ? readProc(`/proc/${pid}/stat`) : undefined;
  if (!stat) return undefined;
  // The second field is a name in parentheses, in which anything may stand.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { hasEnded: /^[ZX]/.test(fields[0]!), started: fields[19] ?? null };
}
