import type { StepContext } from '../../context/step-context';
import { runShell, type Shell } from '../shell';
import { type BuiltinTask, builtinDefinition, type Call, isTrue } from './builtin-task';

type Inputs = ReadonlyMap<string, string>;

/** `script:` as a task. */
export const COMMAND_LINE: BuiltinTask = {
  definition: builtinDefinition('CmdLine', 2, 'Command line', [
    { name: 'script' },
    { name: 'workingDirectory', aliases: ['cwd'], type: 'filePath' },
    { name: 'failOnStderr', defaultValue: false },
  ]),
  run: (context, inputs, call) => run(context, inputs, call, 'bash', inputs.get('script')!),
};

/** `bash:` as a task, which can also run a file. */
export const BASH: BuiltinTask = {
  definition: builtinDefinition('Bash', 3, 'Bash', [
    { name: 'targetType', defaultValue: 'filePath' },
    { name: 'filePath', type: 'filePath' },
    { name: 'arguments' },
    { name: 'script' },
    { name: 'workingDirectory', aliases: ['cwd'], type: 'filePath' },
    { name: 'failOnStderr', defaultValue: false },
    { name: 'bashEnvValue' },
  ]),
  run: (context, inputs, call) => {
    const bashEnvironment = inputs.get('bashEnvValue')!;
    const env = bashEnvironment ? { ...call.env, BASH_ENV: bashEnvironment } : call.env;
    const file = `exec bash '${inputs.get('filePath')!.replaceAll("'", "'\\''")}' ${inputs.get('arguments')}`;
    const script = isInline(inputs) ? inputs.get('script')! : file.trimEnd();
    return run(context, inputs, { ...call, env }, 'bash', script);
  },
};

export const POWERSHELL: BuiltinTask = {
  definition: builtinDefinition('PowerShell', 2, 'PowerShell', [
    { name: 'targetType', defaultValue: 'filePath' },
    { name: 'filePath', type: 'filePath' },
    { name: 'arguments' },
    { name: 'script' },
    { name: 'errorActionPreference', defaultValue: 'stop' },
    { name: 'failOnStderr', defaultValue: false },
    { name: 'ignoreLASTEXITCODE', defaultValue: false },
    { name: 'pwsh', defaultValue: false },
    { name: 'workingDirectory', type: 'filePath' },
  ]),
  check: (_given, { hasPowerShell }) =>
    hasPowerShell ? [] : ['PowerShell@2 needs PowerShell (pwsh), which is not on this machine.'],
  run: (context, inputs, call) => {
    const file = `. '${inputs.get('filePath')!.replaceAll("'", "''")}' ${inputs.get('arguments')}`;
    return run(context, inputs, call, 'pwsh', isInline(inputs) ? inputs.get('script')! : file.trimEnd());
  },
};

function isInline(inputs: Inputs): boolean {
  return inputs.get('targetType')!.toLowerCase() === 'inline';
}

function run(context: StepContext, inputs: Inputs, call: Call, shell: Shell, script: string): Promise<void> {
  return runShell(
    {
      shell,
      script,
      folder: inputs.get('workingDirectory')!,
      failOnStderr: isTrue(inputs.get('failOnStderr')),
      errorActionPreference: inputs.get('errorActionPreference') ?? 'stop',
      ignoreLastExitCode: isTrue(inputs.get('ignoreLASTEXITCODE')),
      env: call.env,
    },
    context,
    call.signal,
  );
}
