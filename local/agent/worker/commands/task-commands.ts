import { existsSync } from 'node:fs';
import { basename, sep } from 'node:path';
import { isTaskResult } from '../../results';
import { type StepContext, SUMMARY_TYPE } from '../context/step-context';
import { allowed, type CommandHandlers, required, requiredData, unrestricted } from './command-handler';
import { type Command, escapeCommand, unescapeCommand } from './commands';

/** The commands of the area `task`. */
export const TASK_COMMANDS: CommandHandlers = {
  issue: allowed(logIssue),
  logissue: allowed(logIssue),
  complete: allowed((context, { properties, data }) => {
    const result = properties.get('result');
    if (!isTaskResult(result)) throw new Error("Command doesn't have valid result value.");
    context.mergeResult(result);
    context.progress(100, data);
    if (/^(1|\$?true)$/i.test(properties.get('done') ?? '')) context.onForceComplete();
  }),
  setprogress: allowed((context, { properties, data }) => {
    const percent = /^\s*[+-]?\d+\s*$/.test(properties.get('value') ?? '')
      ? Number(properties.get('value'))
      : 0;
    context.progress(Math.min(Math.max(percent, 0), 100), data);
  }),
  setvariable: allowed(setVariable),
  settaskvariable: allowed(setTaskVariable),
  setsecret: allowed((context, { data }) => addSecret(context, data)),
  debug: allowed((context, { data }) => context.debug(data)),
  prependpath: allowed((context, command) => {
    if (!context.maySet('PATH')) return;
    const data = requiredData(command, 'a folder');
    const paths = context.job.prependedPaths;
    if (paths.includes(data)) paths.splice(paths.indexOf(data), 1);
    paths.push(data);
  }),
  logdetail: allowed(logDetail),
  setendpoint: unrestricted(setEndpoint),
  uploadsummary: unrestricted((context, command) => {
    const file = requiredData(command, 'a path');
    context.attach(SUMMARY_TYPE, basename(file), file);
  }),
  uploadfile: unrestricted((context, command) => {
    const file = requiredData(command, 'a path');
    context.attach('DistributedTask.Core.FileAttachment', basename(file), file);
  }),
  addattachment: unrestricted((context, command) => {
    const [type, name] = [required(command, 'type'), required(command, 'name')];
    for (const text of [type, name]) {
      if (/[/\0]/.test(text)) throw new Error(`'${text}' contains characters that a file name cannot have.`);
    }
    context.attach(type, name, command.data);
  }),
};

function flag(command: Command, name: string): boolean {
  return command.properties.get(name)?.trim().toLowerCase() === 'true';
}

function addSecret(context: StepContext, value: string): void {
  if (value === '') return;
  context.job.masker.add(value);
  if (!context.isOn('DECODE_PERCENTS', true)) context.job.masker.add(unescapeCommand(value));
}

function logIssue(context: StepContext, { properties, data }: Command): void {
  const type = properties.get('type');
  if (type === undefined) {
    context.warning("Can't create TaskIssue from logging event.");
    return;
  }
  const kind = type.toLowerCase();
  if (kind !== 'error' && kind !== 'warning')
    throw new Error(`An issue is of type error or warning, not '${type}'.`);
  const path = repositoryPath(context, properties.get('sourcepath'));
  const [line = '', column = '', code = ''] = ['linenumber', 'columnnumber', 'code'].map((key) =>
    properties.get(key),
  );
  // The whole form is used as soon as there is a path, whatever of the rest is missing.
  context.issue(kind, path === undefined ? data : `${path}(${line},${column}): ${type} ${code}: ${data}`);
}

function refuseLines(context: StepContext, value: string): void {
  if (value.includes('\n') && !context.isOn('SYSTEM_UNSAFEALLOWMULTILINESECRET')) {
    throw new Error('Secrets cannot contain multiple lines');
  }
}

/** A file of the repository is shown by its path in the repository. */
function repositoryPath(context: StepContext, path: string | undefined): string | undefined {
  const root = `${context.job.folders.sources}${sep}`;
  return path?.startsWith(root) && existsSync(path) ? path.slice(root.length) : path;
}

/** Read-only variables are protected by dev.azure.com's setting; without it there is only a warning. */
function guardReadOnly(context: StepContext, kind: string, name: string): void {
  if (context.job.variables.get('agent.readOnlyVariables')?.toLowerCase() === 'true') {
    throw new Error(`The ${kind} '${name}' is read-only and cannot be set.`);
  }
  context.warning(`The ${kind} '${name}' is read-only, but is set all the same.`);
}

function setVariable(context: StepContext, command: Command): void {
  const name = required(command, 'variable');
  const secret = flag(command, 'issecret');
  const { data } = command;
  if (context.job.variables.isReadOnly(name)) guardReadOnly(context, 'variable', name);
  if (secret) {
    refuseLines(context, data);
    addSecret(context, escapeCommand(data, context.isOn('DECODE_PERCENTS', true)));
  }
  if (!context.maySet(name)) return;
  context.setVariable(name, data, {
    secret,
    output: flag(command, 'isoutput'),
    readOnly: flag(command, 'isreadonly'),
    preserveCase: flag(command, 'preservecase'),
  });
}

function setTaskVariable(context: StepContext, command: Command): void {
  const name = required(command, 'variable');
  const secret = flag(command, 'issecret');
  if (context.taskVariables.isReadOnly(name)) guardReadOnly(context, 'task variable', name);
  if (secret) refuseLines(context, command.data);
  context.taskVariables.set(name, command.data, {
    secret,
    readOnly: flag(command, 'isreadonly'),
    preserveCase: flag(command, 'preservecase'),
  });
}

const GUID = /^[{(]?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}[)}]?$/i;

/** The id that is nothing but zeros. */
const NO_ID = /^[0{}()-]+$/;

/** Checks a detail of the run's timeline; there is no page here that would show it. */
function logDetail(context: StepContext, command: Command): void {
  const { details } = context;
  const id = required(command, 'id').toLowerCase();
  if (!GUID.test(id) || NO_ID.test(id)) throw new Error(`'${id}' is no id of a timeline record.`);
  const parent = command.properties.get('parentid')?.toLowerCase();
  const known = details.get(id);
  if (known) {
    if (parent && parent !== known.parent) throw new Error(`The record ${id} has another parent already.`);
    return;
  }
  required(command, 'name');
  required(command, 'type');
  if (parent && !details.has(parent))
    throw new Error(`The parent ${parent} of the record ${id} does not exist.`);
  details.set(id, { parent });
}

function setEndpoint(context: StepContext, command: Command): void {
  const data = requiredData(command, 'a value');
  const field = required(command, 'field').toLowerCase();
  // Hidden first, so that a mistake in the rest does not show it.
  if (field === 'authparameter') addSecret(context, data);
  const id = required(command, 'id').toLowerCase();
  if (!GUID.test(id)) throw new Error(`'${id}' is no id of a service connection.`);
  if (NO_ID.test(id)) {
    context.warning('The connection to the server itself cannot be changed by ##vso[task.setendpoint].');
    return;
  }
  const connection = context.job.connections.find((candidate) => candidate.id.toLowerCase() === id);
  if (!connection) throw new Error(`There is no service connection with the id ${id} in this job.`);
  if (field === 'url') {
    if (!URL.canParse(data)) throw new Error(`'${data}' is no URL.`);
    connection.url = data;
    return;
  }
  const key = required(command, 'key');
  if (field === 'dataparameter') connection.data = { ...connection.data, [key]: data };
  else if (field === 'authparameter') connection.parameters = { ...connection.parameters, [key]: data };
  else throw new Error(`'field' must be url, dataParameter or authParameter, not '${field}'.`);
}
