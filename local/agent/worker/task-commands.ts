import { existsSync } from 'node:fs';
import { basename, sep } from 'node:path';
import { isTaskResult } from '../results';
import { allowed, type CommandHandlers, unrestricted } from './command-handler';
import { type Command, escapeCommand, unescapeCommand } from './commands';
import { type StepContext, summaryType } from './step-context';

/** The commands of the area `task`. */
export const taskCommands: CommandHandlers = {
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
  prependpath: allowed((context, { data }) => {
    if (!context.maySet('PATH')) return;
    if (data === '') throw new Error('##vso[task.prependpath] needs a folder.');
    const paths = context.job.prependedPaths;
    if (paths.includes(data)) paths.splice(paths.indexOf(data), 1);
    paths.push(data);
  }),
  logdetail: allowed(logDetail),
  setendpoint: unrestricted(setEndpoint),
  uploadsummary: unrestricted((context, { data }) => {
    if (data === '') throw new Error('Cannot upload summary file, summary file location is not specified.');
    context.attach(summaryType, basename(data), data);
  }),
  uploadfile: unrestricted((context, { data }) => {
    if (data === '') throw new Error('Cannot upload file because file location is not specified.');
    context.attach('DistributedTask.Core.FileAttachment', basename(data), data);
  }),
  addattachment: unrestricted((context, { properties, data }) => {
    const [type, name] = [properties.get('type'), properties.get('name')];
    if (!type) throw new Error("Can't add task attachment, attachment type is not provided.");
    if (!name) throw new Error("Can't add task attachment, attachment name is not provided.");
    for (const text of [type, name]) {
      if (/[/\0]/.test(text)) throw new Error(`'${text}' contains characters that a file name cannot have.`);
    }
    context.attach(type, name, data);
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
    throw new Error(`issue type ${type} is not an expected issue type.`);
  const path = repositoryPath(context, properties.get('sourcepath'));
  const [line = '', column = '', code = ''] = ['linenumber', 'columnnumber', 'code'].map((key) =>
    properties.get(key),
  );
  // The whole form is used as soon as there is a path, whatever of the rest is missing.
  context.issue(kind, path === undefined ? data : `${path}(${line},${column}): ${type} ${code}: ${data}`);
}

function namedVariable(command: Command): { name: string; secret: boolean } {
  const name = command.properties.get('variable');
  if (!name) throw new Error(`Required field 'variable' is missing in ##vso[task.${command.event}] command.`);
  return { name, secret: flag(command, 'issecret') };
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
    throw new Error(`Overwriting readonly ${kind} '${name}' is not permitted.`);
  }
  context.warning(`Overwriting readonly ${kind} '${name}'. This behavior will be disabled in the future.`);
}

function setVariable(context: StepContext, command: Command): void {
  const { name, secret } = namedVariable(command);
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
  const { name, secret } = namedVariable(command);
  if (context.taskVariables.isReadOnly(name)) guardReadOnly(context, 'task variable', name);
  if (secret) refuseLines(context, command.data);
  context.taskVariables.set(name, command.data, {
    secret,
    readOnly: flag(command, 'isreadonly'),
    preserveCase: flag(command, 'preservecase'),
  });
}

const guid = /^[{(]?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}[)}]?$/i;

/** Checks a detail of the run's timeline; there is no page here that would show it. */
function logDetail(context: StepContext, { properties }: Command): void {
  const { details } = context;
  const id = properties.get('id')?.toLowerCase();
  if (!id || !guid.test(id))
    throw new Error("Can't update timeline record, timeline record id is not provided.");
  const parent = properties.get('parentid')?.toLowerCase();
  const known = details.get(id);
  if (known) {
    if (parent && parent !== known.parent) {
      throw new Error("Can't change parent timeline record of an existing timeline record.");
    }
    return;
  }
  if (!properties.get('name')) throw new Error('Name is required for this new timeline record.');
  if (!properties.get('type')) throw new Error('Type is required for this new timeline record.');
  if (parent && !details.has(parent)) {
    throw new Error('Parent timeline record has not been created for this new timeline record.');
  }
  details.set(id, { parent });
}

function setEndpoint(context: StepContext, { properties, data }: Command): void {
  const missing = (field: string) =>
    new Error(`Required field '${field}' is missing in ##vso[task.setendpoint] command.`);
  if (data === '') throw new Error('Enter a valid value for setendpoint.');
  const field = properties.get('field')?.toLowerCase();
  if (!field) throw missing('field');
  if (field === 'authparameter') addSecret(context, data);
  const id = properties.get('id');
  if (!id) throw missing('id');
  if (!guid.test(id)) throw new Error('Invalid endpoint id.');
  if (/^[0{}()-]+$/.test(id)) {
    context.warning('Modification of system endpoint is not allowed via setendpoint command.');
    return;
  }
  const connection = context.job.connections.find(
    (candidate) => candidate.id.toLowerCase() === id.toLowerCase(),
  );
  if (!connection) {
    throw new Error(
      `Service connection with id '${id}' is not declared in the pipeline job and cannot be changed.`,
    );
  }
  if (field === 'url') {
    if (!URL.canParse(data)) throw new Error('Invalid endpoint Url.');
    connection.url = data;
    return;
  }
  const key = properties.get('key');
  if (!key) throw missing('key');
  if (field === 'dataparameter') connection.data = { ...connection.data, [key]: data };
  else if (field === 'authparameter') connection.parameters = { ...connection.parameters, [key]: data };
  else throw new Error('Invalid endpoint field. Valid values are url, dataParameter and authParameter');
}
