import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { vsixFile } from '../../scripts/paths';
import {
  type AgentOptions,
  type PipelineRecord,
  readKeyVaults,
  readServiceConnections,
  readVariableGroups,
  runPipeline,
} from './agent';
import { type LivePage, serveLivePage } from './live-page';
import { type PageExtra, renderPage } from './page';

const USAGE = `Runs an Azure Pipelines YAML file on this machine, with the tasks of a packed extension.

  npm run agent -- <pipeline.yaml> [options]

  --vsix <file>             the packed extension; by default the one that 'npm run package' makes
  --variable-groups <file>  YAML with the variable groups that the pipeline names
  --service-connections <file> YAML with the service connections that tasks sign in with
  --key-vaults <file>       YAML with the secrets of key vaults
  --variable <name=value>   a variable set when queueing, which the YAML's own win over; may be given several times
  --override <name=value>   a variable that wins over the YAML's own, which Azure Pipelines does not have; likewise
  --parameter <name=value>  a parameter that the pipeline declares; objects and lists as YAML or JSON; likewise
  --repository <name=folder> a repository that the pipeline takes templates from or checks out; likewise
  --only <name>             runs nothing but this step, job or stage; likewise
  --skip-unknown-tasks      goes on without steps whose tasks are not here
  --sources <folder>        what 'checkout: self' brings; by default the current folder
  --work-folder <folder>    the agent's root; by default .local/agent below the sources
  --node <20|24>            the agent's Node version that runs the tasks
  --page <file>             writes an HTML page of the run
  --watch                   serves that page to this machine's browser while the run goes on`;

const EXIT_CODE = { failed: 1, misused: 2, interrupted: 130 };

try {
  process.exitCode = await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = EXIT_CODE.failed;
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const [file] = positionals;
  if (!file || positionals.length > 1) {
    console.error(USAGE);
    return EXIT_CODE.misused;
  }
  const options = await readOptions(values);
  for (const name of Object.keys(options.overrides ?? {})) {
    console.log(
      `Override: ${name}. Azure Pipelines cannot do this: there the value of the YAML or its groups stays.`,
    );
  }
  const yaml = relative(resolve(options.sources), resolve(file));
  const run = values.watch ? await runWatched(yaml, options) : await runPipeline(yaml, options);
  if (values.page) await writeFile(values.page, renderPage([run], pageExtra(run, options)));
  for (const line of notesOf(run)) console.log(line);
  console.log(`\n${run.name} #${run.buildNumber}: ${run.result}. Logs: ${run.folder}`);
  return run.result === 'Succeeded' || run.result === 'SucceededWithIssues' ? 0 : EXIT_CODE.failed;
}

/** Runs a pipeline, and serves its page until it has ended. */
async function runWatched(yaml: string, options: AgentOptions): Promise<PipelineRecord> {
  let record: PipelineRecord | undefined;
  const page: LivePage = await serveLivePage(() => {
    const runs = record ? [record] : [];
    return renderPage(runs, { ...pageExtra(record, options), isLive: true });
  });
  console.log(`Watch the run at ${page.url}`);
  try {
    const onStart = (run: PipelineRecord) => {
      record = run;
    };
    return await runPipeline(yaml, { ...options, onStart });
  } finally {
    await page.end();
  }
}

function pageExtra(run: PipelineRecord | undefined, options: AgentOptions): PageExtra {
  const facts = [['extension', options.vsix] as const, ...overrideFacts(options)];
  return { title: run?.name ?? 'A run that has not begun', facts };
}

function readArguments() {
  return parseArgs({
    allowPositionals: true,
    options: {
      vsix: { type: 'string', default: vsixFile },
      'variable-groups': { type: 'string' },
      'service-connections': { type: 'string' },
      'key-vaults': { type: 'string' },
      variable: { type: 'string', multiple: true },
      override: { type: 'string', multiple: true },
      parameter: { type: 'string', multiple: true },
      repository: { type: 'string', multiple: true },
      only: { type: 'string', multiple: true },
      'skip-unknown-tasks': { type: 'boolean', default: false },
      sources: { type: 'string', default: '.' },
      'work-folder': { type: 'string' },
      node: { type: 'string' },
      page: { type: 'string' },
      watch: { type: 'boolean', default: false },
    },
  });
}

async function readOptions(values: ReturnType<typeof readArguments>['values']): Promise<AgentOptions> {
  if (!existsSync(values.vsix)) {
    throw new Error(`There is no packed extension at ${values.vsix}. 'npm run package' makes one.`);
  }
  const [groups, vaults] = [values['variable-groups'], values['key-vaults']];
  const connections = values['service-connections'];
  const keyVaults = vaults ? await readKeyVaults(vaults) : {};
  const nodeVersion = values.node && nodeVersionOf(values.node);
  return {
    vsix: values.vsix,
    sources: values.sources,
    workFolder: values['work-folder'] ?? join(values.sources, '.local', 'agent'),
    variables: pairs(values.variable, '--variable'),
    overrides: pairs(values.override, '--override'),
    parameters: pairs(values.parameter, '--parameter'),
    repositories: pairs(values.repository, '--repository'),
    keyVaults,
    skipUnknownTasks: values['skip-unknown-tasks'],
    ...(values.only && { only: values.only }),
    ...(connections && (await readServiceConnections(connections))),
    ...(groups && { variableGroups: await readVariableGroups(groups, keyVaults) }),
    ...(nodeVersion && { nodeVersion }),
    onLine: (line) => console.log(line),
    signal: cancelOnInterrupt(),
  };
}

/** What the page says of variables that the YAML does not decide. */
function overrideFacts({ overrides = {} }: AgentOptions): (readonly [string, string])[] {
  const names = Object.keys(overrides);
  return names.length === 0 ? [] : [['overridden here, not possible on Azure', names.join(', ')]];
}

/** Why jobs did not run, and which steps were left out. */
function notesOf(run: PipelineRecord): string[] {
  const jobs = run.jobs.flatMap(({ name, result, note }) => (note ? [`${name}: ${result}. ${note}`] : []));
  const steps = run.jobs
    .flatMap((job) => job.steps)
    .filter(({ result, log }) => result === 'Skipped' && /^This step was left out/.test(log[0] ?? ''))
    .map(({ displayName, log }) => `${displayName}: ${log[0]}`);
  return [...jobs, ...steps];
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
