import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processCommand } from '../commands/process-command';
import { scriptEnvironment } from '../context/environment';
import type { StepContext } from '../context/step-context';
import { commonEnvironment } from './step-environment';
import { runStepProcess } from './step-process';

export type Shell = 'bash' | 'pwsh';

export interface ShellScript {
  readonly shell: Shell;
  /** Without macros that are still to be replaced. */
  readonly script: string;
  /** Absolute. */
  readonly folder: string;
  readonly failOnStderr: boolean;
  readonly errorActionPreference: string;
  readonly ignoreLastExitCode: boolean;
  /** The step's `env:`, as written. */
  readonly env: Record<string, string>;
}

/** Runs a script as the tasks CmdLine@2, Bash@3 and PowerShell@2 do on Linux and macOS. */
export async function runShell(
  script: ShellScript,
  context: StepContext,
  signal: AbortSignal,
): Promise<void> {
  const { job } = context;
  const { file, args } = writeScript(script, job.folders.temp);
  context.write('##[command]', [script.shell, ...args].join(' '));
  let complaints = 0;
  const exitCode = await runStepProcess(context, {
    file,
    args,
    cwd: script.folder,
    env: scriptEnvironment(commonEnvironment(job, script.env)),
    onLine: (line, stream) => {
      if (stream === 'stderr') complaints++;
      if (!processCommand(context, line)) context.output(line);
    },
    signal,
  });
  const name = script.shell === 'bash' ? 'Bash' : 'PowerShell';
  if (exitCode !== 0) fail(context, `${name} exited with code '${exitCode}'.`);
  if (script.failOnStderr && complaints > 0) {
    fail(context, 'The script wrote to standard error, which `failOnStderr` takes for a failure.');
  }
}

function writeScript(script: ShellScript, folder: string): { file: string; args: string[] } {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${randomUUID()}.${script.shell === 'bash' ? 'sh' : 'ps1'}`);
  writeFileSync(path, script.shell === 'bash' ? `${script.script}\n` : powerShellText(script));
  if (script.shell === 'bash') return { file: 'bash', args: ['--noprofile', '--norc', path] };
  return { file: 'pwsh', args: ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', `. '${path}'`] };
}

/** PowerShell goes on after an error, and forgets the exit codes of programs, unless it is told otherwise. */
function powerShellText({ script, errorActionPreference, ignoreLastExitCode }: ShellScript): string {
  const before = `$ErrorActionPreference = '${errorActionPreference || 'stop'}'\n`;
  const after = ignoreLastExitCode
    ? ''
    : '\nif (!(Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit 0 }\nexit $LASTEXITCODE';
  return `${before}${script}\n${after}\n`;
}

function fail(context: StepContext, message: string): void {
  context.error(message);
  context.mergeResult('Failed');
}
