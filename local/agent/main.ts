import { writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type AgentOptions, readVariableGroups, runPipeline } from './agent';
import { renderPage } from './page';

const USAGE = `Runs an Azure Pipelines YAML file on this machine, with the tasks of a packed extension.

  npx tsx local/agent/main.ts <pipeline.yaml> --vsix <file> [options]

  --vsix <file>             the packed extension
  --variable-groups <file>  YAML with the variable groups that the pipeline names
  --variable <name=value>   a variable set for this run; may be given several times
  --parameter <name=value>  a parameter that the pipeline declares; may be given several times
  --sources <folder>        what 'checkout: self' brings; by default the current folder
  --work-folder <folder>    the agent's root; by default .local/agent below the sources
  --node <20|24>            the agent's Node version that runs the tasks
  --page <file>             writes an HTML page of the run`;

const EXIT_CODE = { failed: 1, misused: 2, interrupted: 130 };

try {
  process.exitCode = await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = EXIT_CODE.failed;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      vsix: { type: 'string' },
      'variable-groups': { type: 'string' },
      variable: { type: 'string', multiple: true },
      parameter: { type: 'string', multiple: true },
      sources: { type: 'string', default: '.' },
      'work-folder': { type: 'string' },
      node: { type: 'string' },
      page: { type: 'string' },
    },
  });
  const [file] = positionals;
  if (!file || positionals.length > 1 || !values.vsix) {
    console.error(USAGE);
    return EXIT_CODE.misused;
  }
  const groups = values['variable-groups'];
  const nodeVersion = values.node && nodeVersionOf(values.node);
  const options: AgentOptions = {
    vsix: values.vsix,
    sources: values.sources,
    workFolder: values['work-folder'] ?? join(values.sources, '.local', 'agent'),
    variables: pairs(values.variable, '--variable'),
    parameters: pairs(values.parameter, '--parameter'),
    ...(groups && { variableGroups: await readVariableGroups(groups) }),
    ...(nodeVersion && { nodeVersion }),
    onLine: (line) => console.log(line),
    signal: cancelOnInterrupt(),
  };
  const run = await runPipeline(relative(resolve(values.sources), resolve(file)), options);
  if (values.page) {
    const facts = [['pipeline', run.file] as const, ['extension', values.vsix] as const];
    await writeFile(values.page, renderPage([run], { title: run.name, facts }));
  }
  console.log(`\n${run.name} #${run.buildNumber}: ${run.result}. Logs: ${run.folder}`);
  return run.result === 'Succeeded' || run.result === 'SucceededWithIssues' ? 0 : EXIT_CODE.failed;
}

function pairs(texts: string[] | undefined, option: string): Record<string, string> {
  return Object.fromEntries(
    (texts ?? []).map((text) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (name === undefined || value === undefined)
        throw new Error(`${option} must read name=value, not '${text}'.`);
      return [name, value];
    }),
  );
}

function nodeVersionOf(text: string): 20 | 24 {
  if (text === '20' || text === '24') return Number(text) as 20 | 24;
  throw new Error(`--node must be 20 or 24, not '${text}'.`);
}

/** The first Ctrl-C cancels the run as the Cancel button does; the second one ends everything at once. */
function cancelOnInterrupt(): AbortSignal {
  const cancel = new AbortController();
  const interrupt = () => {
    if (cancel.signal.aborted) process.exit(EXIT_CODE.interrupted);
    console.log('Canceling. Press Ctrl-C again to stop at once.');
    cancel.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return cancel.signal;
}
