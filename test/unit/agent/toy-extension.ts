import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import {
  type AgentOptions,
  type PipelineRecord,
  runPipeline,
  runSteps,
  type StepRecord,
} from '../../../local/agent/agent';

/** A task whose code is a few lines of plain JavaScript. */
export interface ToyTask {
  name: string;
  version?: string;
  inputs?: { name: string; aliases?: string[]; type?: string; defaultValue?: string }[];
  /** The whole of the main part; the post-job part is `postJob`. */
  code?: string;
  postJob?: string;
  preJob?: string;
  /** More of task.json. */
  more?: Record<string, unknown>;
}

/** A folder with a packed extension of toy tasks, in which pipelines run; removed by `remove`. */
export class ToyAgent {
  readonly folder = mkdtempSync(join(tmpdir(), 'toy-agent-'));
  readonly sources = join(this.folder, 'sources');
  readonly vsix = join(this.folder, 'toy.vsix');

  constructor(tasks: ToyTask[] = []) {
    mkdirSync(this.sources);
    this.pack(tasks);
  }

  pack(tasks: ToyTask[]): void {
    const files: Record<string, Uint8Array> = {};
    const contributions = tasks.map(({ name }) => ({
      id: name.toLowerCase(),
      type: 'ms.vss-distributed-task.task',
      properties: { name: `tasks/${name}` },
    }));
    files['extension.vsomanifest'] = strToU8(JSON.stringify({ manifestVersion: 1, contributions }));
    tasks.forEach((task, index) => {
      const { name, version = '1.0.0', inputs = [], code, postJob, preJob, more } = task;
      const [Major, Minor, Patch] = version.split('.').map(Number);
      const handlers = (target: string) => ({ Node24: { target }, Node20_1: { target } });
      const json = {
        id: `00000000-0000-4000-8000-00000000000${index}`,
        name,
        friendlyName: `Toy ${name}`,
        description: 'A toy',
        author: 'Test',
        helpMarkDown: 'No help',
        version: { Major, Minor, Patch },
        inputs,
        ...(code !== undefined && { execution: handlers('index.js') }),
        ...(postJob !== undefined && { postjobexecution: handlers('post.js') }),
        ...(preJob !== undefined && { prejobexecution: handlers('pre.js') }),
        ...more,
      };
      const root = `tasks/${name}`;
      files[`${root}/task.json`] = strToU8(JSON.stringify(json));
      files[`${root}/index.js`] = strToU8(code ?? '');
      files[`${root}/post.js`] = strToU8(postJob ?? '');
      files[`${root}/pre.js`] = strToU8(preJob ?? '');
    });
    writeFileSync(this.vsix, zipSync(files, { level: 0 }));
  }

  /** Writes a file of the sources. */
  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.sources, file)), { recursive: true });
    writeFileSync(join(this.sources, file), text);
  }

  options(more: Partial<AgentOptions> = {}): AgentOptions {
    return { vsix: this.vsix, sources: this.sources, workFolder: join(this.folder, 'agent'), ...more };
  }

  runSteps(yaml: string, more: Partial<AgentOptions> = {}): Promise<PipelineRecord> {
    return runSteps(yaml, this.options(more));
  }

  runPipeline(file: string, more: Partial<AgentOptions> = {}): Promise<PipelineRecord> {
    return runPipeline(file, this.options(more));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The step with this name or display name, in the first job. */
export function stepOf(run: PipelineRecord, name: string): StepRecord {
  const step = run.jobs[0]!.steps.find(
    (candidate) => candidate.name === name || candidate.displayName === name,
  );
  if (!step) throw new Error(`There is no step ${name}.`);
  return step;
}

/** What the step itself printed, without the agent's frame around it. */
export function outputOf(step: StepRecord): string[] {
  const frame = step.log.findLastIndex(
    (line) => line === '='.repeat(78) || line.startsWith('##[command]bash '),
  );
  return step.log.slice(frame + 1).filter((line) => !line.startsWith('##[section]'));
}

/** A task that runs the code it is given as an input. */
export const jsTask = {
  name: 'Js',
  inputs: [
    { name: 'code' },
    { name: 'text', aliases: ['words'], defaultValue: 'preset' },
    { name: 'file', type: 'filePath' },
  ],
  code: 'eval(process.env.INPUT_CODE)',
} satisfies ToyTask;

/** A YAML step that runs code in the task above. */
export function jsStep(code: string, more: Record<string, unknown> = {}): string {
  const { inputs, ...rest } = more;
  return `- ${JSON.stringify({ task: 'Js@1', inputs: { code, ...(inputs as object) }, ...rest })}\n`;
}

/** Code that prints variables of the environment. */
export function show(...names: string[]): string {
  return names.map((name) => `console.log(process.env[${JSON.stringify(name)}]);`).join('');
}

/** A YAML step that prints lines as they are; a script, since that starts faster than a task. */
export function sayStep(lines: string[], more: Record<string, unknown> = {}): string {
  return `- ${JSON.stringify({ script: `cat <<'END'\n${lines.join('\n')}\nEND`, ...more })}\n`;
}

/** Code that prints lines as they are. */
export function say(...lines: string[]): string {
  return lines.map((line) => `console.log(${JSON.stringify(line)});`).join('');
}
