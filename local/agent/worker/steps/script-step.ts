import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ScriptStepPlan } from '../../pipeline/plan';
import { processCommand } from '../commands/process-command';
import { scriptEnvironment } from '../context/environment';
import type { StepContext } from '../context/step-context';
import { commonEnvironment, withStepVariables } from './step-environment';
import { runStepProcess } from './step-process';

/** Runs a `script` or `bash` step with bash, as the tasks CmdLine@2 and Bash@3 do on Linux and macOS. */
export async function runScript(
  plan: ScriptStepPlan,
  context: StepContext,
  signal: AbortSignal,
): Promise<void> {
  const { job } = context;
  await withStepVariables(job, plan, async () => {
    const script = job.variables.expand(plan.script);
    const file = join(job.folders.temp, `${randomUUID()}.sh`);
    mkdirSync(job.folders.temp, { recursive: true });
    writeFileSync(file, `${script}\n`);
    context.write('##[command]', `bash --noprofile --norc ${file}`);

    const folder = job.variables.expand(plan.workingDirectory);
    let complaints = 0;
    const exitCode = await runStepProcess(context, {
      file: 'bash',
      args: ['--noprofile', '--norc', file],
      cwd: isAbsolute(folder) ? folder : join(job.folders.sources, folder),
      env: scriptEnvironment(commonEnvironment(job, plan.env)),
      onLine: (line, stream) => {
        if (stream === 'stderr') complaints++;
        if (!processCommand(context, line)) context.output(line);
      },
      signal,
    });
    if (exitCode !== 0) fail(context, `Bash exited with code '${exitCode}'.`);
    if (plan.failOnStderr && complaints > 0)
      fail(context, 'The script wrote to standard error, which `failOnStderr` takes for a failure.');
  });
}

function fail(context: StepContext, message: string): void {
  context.error(message);
  context.mergeResult('Failed');
}
