import type { StepContext } from '../../context/step-context';
import { runShell } from '../shell';
import { type BuiltinTask, builtinDefinition, isTrue } from './builtin-task';

/**
 * Runs a script that calls Azure's command line: the `az` of this machine, as whoever is signed in there, since there is no
 * service connection to sign in with.
 */
export const AZURE_CLI: BuiltinTask = {
  definition: builtinDefinition('AzureCLI', 2, 'Azure CLI', [
    { name: 'connectedServiceNameARM', aliases: ['azureSubscription'] },
    { name: 'scriptType' },
    { name: 'scriptLocation', defaultValue: 'scriptPath' },
    { name: 'scriptPath', type: 'filePath' },
    { name: 'inlineScript' },
    { name: 'scriptArguments', aliases: ['arguments'] },
    { name: 'cwd', aliases: ['workingDirectory'], type: 'filePath' },
    { name: 'failOnStandardError', defaultValue: false },
    { name: 'visibleAzLogin', defaultValue: true },
  ]),
  check: (given) => [
    ...(given.get('connectedServiceNameARM') ? [] : ["AzureCLI@2 needs the input 'azureSubscription'."]),
    ...(given.get('scriptType') === 'bash'
      ? []
      : ["The local agent runs AzureCLI@2 with 'scriptType: bash' only."]),
    ...(given.get('scriptLocation') === 'inlineScript' && given.get('scriptArguments')
      ? ['The local agent gives no arguments to an inline script of AzureCLI@2.']
      : []),
  ],
  run: (context, inputs, call) => {
    const isInline = inputs.get('scriptLocation') === 'inlineScript';
    const args = inputs.get('scriptArguments') ?? '';
    const file = `exec bash '${inputs.get('scriptPath')!.replaceAll("'", "'\\''")}' ${args}`.trimEnd();
    return runScript(context, isInline ? inputs.get('inlineScript')! : file, inputs, call);
  },
};

function runScript(
  context: StepContext,
  script: string,
  inputs: ReadonlyMap<string, string>,
  { env, signal }: { env: Record<string, string>; signal: AbortSignal },
): Promise<void> {
  context.output(
    `Azure CLI of this machine, in place of the connection '${inputs.get('connectedServiceNameARM')}'`,
  );
  return runShell(
    {
      shell: 'bash',
      script,
      folder: inputs.get('cwd')!,
      failOnStderr: isTrue(inputs.get('failOnStandardError')),
      errorActionPreference: 'stop',
      ignoreLastExitCode: false,
      env,
    },
    context,
    signal,
  );
}
