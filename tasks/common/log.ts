import { TaskCommand } from 'azure-pipelines-task-lib/taskcommand';
import { bound, defuse, stripControls } from './foreign-text';
import { redact, rememberSecret } from './secrets';

/** What a task may tell its reader. Every text is made safe on its way out, wherever it came from. */
export interface Logger {
  info(text: string): void;
  warning(text: string): void;
  /** Shown as an error of the step; does not fail it. */
  error(text: string): void;
  /** Shown only with `system.debug=true`. */
  debug(text: string): void;
  /** Prints what `body` logs as a group that can be folded. Groups do not nest. */
  group<T>(title: string, body: () => Promise<T>): Promise<T>;
  /** Begins a group whose end only later output will show. Whoever starts it calls `endGroup`, whatever happens. */
  startGroup(title: string): void;
  endGroup(): void;
  /** Percentage of the step's long work, 0 to 100, and what is being done. */
  progress(percent: number, operation: string): void;
  /** Has the agent mask a secret, in every form it may take, before its first use. */
  maskSecret(secret: string, username?: string): void;
}

/** Logging commands that do more than print: outputs, results, attachments. For the run wrapper alone. */
export interface AgentLog extends Logger {
  /** Sends data byte for byte: an output is not for reading, and must not change on its way. */
  command(name: string, properties: Record<string, string>, data: string): void;
  /** Ends the step with a result, and the message that the pipeline's page shows for it. */
  complete(result: 'Succeeded' | 'SucceededWithIssues' | 'Failed' | 'Canceled', message: string): void;
}

/** The agent's own limit for one line is far higher; nobody reads past this one. */
const LONGEST_LINE = 8_000;

/** A logger that writes whole lines. This is the only place where a task prints. */
export function createLogger(writeLine: (line: string) => void): AgentLog {
  const clean = (text: string) => defuse(redact(stripControls(text)));
  const command = (name: string, properties: Record<string, string>, data: string) =>
    writeLine(new TaskCommand(name, properties, data).toString());
  const print = (text: string) => {
    for (const line of clean(text).split('\n')) writeLine(bound(line, LONGEST_LINE));
  };
  const startGroup = (title: string) => writeLine(`##[group]${clean(title).replaceAll('\n', ' ')}`);
  const endGroup = () => writeLine('##[endgroup]');

  return {
    info: print,
    warning: (text) => command('task.logissue', { type: 'warning' }, bound(clean(text), LONGEST_LINE)),
    error: (text) => command('task.logissue', { type: 'error' }, bound(clean(text), LONGEST_LINE)),
    debug: (text) => command('task.debug', {}, bound(clean(text), LONGEST_LINE)),
    async group(title, body) {
      startGroup(title);
      try {
        return await body();
      } finally {
        endGroup();
      }
    },
    startGroup,
    endGroup,
    progress: (percent, operation) =>
      command('task.setprogress', { value: String(Math.floor(percent)) }, clean(operation)),
    maskSecret(secret, username) {
      for (const form of rememberSecret(secret, username)) command('task.setsecret', {}, form);
    },
    command,
    complete: (result, message) => command('task.complete', { result }, bound(clean(message), LONGEST_LINE)),
  };
}
