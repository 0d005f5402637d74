import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { vsixFile } from '../../scripts/paths';

/** How a packed task ended that ran as a process of its own. */
export interface Ending {
  readonly output: string;
  /** Undefined where it was killed. */
  readonly result: 'Succeeded' | 'SucceededWithIssues' | 'Failed' | 'Canceled' | undefined;
  /** What it failed for; empty where it did not. */
  readonly error: string;
}

/** A packed task out of the extension, started without an agent: for what an agent can't do, such as to kill it. */
export class PackedTask {
  private constructor(private readonly folder: string) {}

  static unpack(name: string): PackedTask {
    const folder = mkdtempSync(join(tmpdir(), 'task-'));
    const place = `tasks/${name}/`;
    const files = unzipSync(readFileSync(vsixFile), { filter: (file) => file.name.startsWith(place) });
    for (const [file, content] of Object.entries(files)) {
      writeFileSync(join(folder, file.slice(place.length)), content);
    }
    return new PackedTask(folder);
  }

  /**
   * @param agent the folder in which the agent keeps `_work`
   * @param inputs by their names
   * @param preload a script that is run in the process before the task
   */
  start(
    agent: string,
    inputs: Readonly<Record<string, string>>,
    { preload, env = {} }: { preload?: string; env?: Record<string, string> } = {},
  ): { readonly ended: Promise<Ending>; kill(signal?: NodeJS.Signals): void } {
    const work = join(agent, '_work');
    const sources = join(work, '1/s');
    mkdirSync(sources, { recursive: true });
    // An agent runs one step at a time, and task-lib keeps a key there with which it reads the inputs.
    const temp = mkdtempSync(join(work, '_temp-'));
    const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    const child = spawn(process.execPath, [join(this.folder, 'index.js')], {
      cwd: sources,
      env: {
        ...process.env,
        ...Object.fromEntries(given),
        AGENT_WORKFOLDER: work,
        AGENT_TEMPDIRECTORY: temp,
        AGENT_TOOLSDIRECTORY: join(work, '_tool'),
        AGENT_BUILDDIRECTORY: join(work, '1'),
        BUILD_SOURCESDIRECTORY: sources,
        SYSTEM_DEFAULTWORKINGDIRECTORY: sources,
        ...(preload !== undefined && { NODE_OPTIONS: `--require ${preload}` }),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        output += text;
      });
    }
    const ended = once(child, 'close').then(() => {
      const [, result, message = ''] = /##vso\[task\.complete result=(\w+);\](.*)/.exec(output) ?? [];
      return { output, result, error: result === 'Failed' ? message : '' } as Ending;
    });
    return { ended, kill: (signal = 'SIGKILL') => void child.kill(signal) };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Writes a script that kills the process at one of its calls that change files or folders, for a preload.
 * `KILL_AT` is its number, counted from 1, and `KILL_LOG` a file that gets a line for every call.
 */
export function writeKiller(folder: string): string {
  const file = join(folder, 'kill-at.cjs');
  writeFileSync(
    file,
    `const fs = require('node:fs');
    if (require('node:worker_threads').isMainThread) {
      const at = Number(process.env.KILL_AT ?? 0), log = process.env.KILL_LOG;
      const { appendFileSync, readlinkSync } = fs;
      const { kill } = process;
      let calls = 0;
      const ours = (path) => /pickles|_modelRegistryDownload/.test(named(String(path)));
      const named = (path) => path.replace(/^\\/proc\\/self\\/fd\\/\\d+/, (fd) => {
        try { return readlinkSync(fd); } catch { return fd; }
      });
      const wrap = (object, name, changes = () => true) => {
        const real = object[name];
        object[name] = function (...args) {
          if (ours(args[0]) && changes(args)) {
            calls += 1;
            if (log) appendFileSync(log, name + ' ' + args.slice(0, 2).map((one) => named(String(one))).join(' ') + '\\n');
            if (calls === at) { kill(process.pid, 'SIGKILL'); for (;;); }
          }
          return real.apply(this, args);
        };
      };
      for (const name of ['mkdirSync', 'unlinkSync', 'renameSync']) wrap(fs, name);
      wrap(fs, 'openSync', ([, flags]) => Boolean(flags & fs.constants.O_CREAT));
      for (const name of ['rename', 'unlink', 'rmdir', 'link', 'symlink', 'chmod', 'chown', 'copyFile']) {
        wrap(fs.promises, name);
      }
    }`,
  );
  return file;
}
