import { parseJsonVerbatim } from '../common/databricks/json';
import { TaskError } from '../common/errors';
import type { InputReader } from '../common/inputs';
import { formatBytes, plural } from '../common/text';
import type { Job, RunParameters } from './databricks/jobs';

export type Parameters = Readonly<Record<string, string>>;

/** The most that `run-now` takes, in bytes of JSON. */
const MAX_BYTES = 10_000;

/** Reads input `parameters`: a JSON object of plain values, or `KEY=VALUE` lines. */
export function readParameters(inputs: InputReader): Parameters {
  const text = inputs.optional('parameters');
  if (text === undefined) return {};
  if (!/^[{[]/.test(text)) return inputs.keyValueLines('parameters');
  let parsed: unknown;
  try {
    parsed = parseJsonVerbatim(text);
  } catch {
    // The parser's own words would quote the text, in which there may be a piece of a secret.
    inputs.reject(
      'parameters',
      'begins like JSON, but is not valid JSON. Check its quotes (values from variables need them too), commas and ' +
        'braces, or give lines of KEY=VALUE.',
    );
    return {};
  }
  if (Array.isArray(parsed)) {
    inputs.reject('parameters', 'is a JSON array, but must be an object, such as {"version": "1.0.0"}.');
    return {};
  }
  for (const key of repeatedKeys(text)) inputs.reject('parameters', `sets ${key} twice. Keep one of them.`);
  const parameters: Record<string, string> = {};
  for (const [key, value] of Object.entries(parsed as object)) {
    if (value === null || typeof value === 'object') {
      inputs.reject(
        'parameters',
        `sets '${key}' to ${JSON.stringify(value)}, which is not a plain value. Put it in quotes.`,
      );
    } else parameters[key] = String(value);
  }
  return parameters;
}

/** The names that a JSON object has more than once, of which a parser silently keeps the last. */
function repeatedKeys(json: string): Set<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  let depth = 0;
  for (const [token, name] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (/^[{[]$/.test(token)) depth += 1;
    else if (/^[}\]]$/.test(token)) depth -= 1;
    else if (name !== undefined && depth === 1) {
      const key = JSON.parse(name) as string;
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
    }
  }
  return repeated;
}

/**
 * How the job takes the parameters: as its own where it declares any, otherwise as its notebooks'. Jobs do not say
 * what they do with a key that they don't declare, so such a key is refused here.
 *
 * @throws TaskError that names the keys that are too many or too large
 */
export function assignParameters(parameters: Parameters, job: Omit<Job, 'id'>): RunParameters {
  checkSize(parameters);
  if (job.parameters.length === 0 && job.notebooks.length === 0 && Object.keys(parameters).length > 0) {
    throw new TaskError(
      `Input 'parameters' sets ${Object.keys(parameters).join(', ')}, but job '${job.name}' declares no parameters and runs no ` +
        'notebook that could take them. Declare them as parameters of the job, which hands them down to its tasks.',
    );
  }
  if (job.parameters.length === 0) return { jobParameters: {}, notebookParameters: parameters };
  const undeclared = Object.keys(parameters).filter((key) => !job.parameters.includes(key));
  if (undeclared.length > 0) {
    throw new TaskError(
      `Input 'parameters' sets ${undeclared.join(', ')}, but job '${job.name}' declares only ` +
        `${job.parameters.join(', ')}. Correct the input, or declare the parameter in the job.`,
    );
  }
  return { jobParameters: parameters, notebookParameters: {} };
}

function checkSize(parameters: Parameters): void {
  const size = Buffer.byteLength(JSON.stringify(parameters));
  if (size <= MAX_BYTES) return;
  const largest = Object.entries(parameters)
    .map(([key, value]) => ({ key, bytes: Buffer.byteLength(value) }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 3)
    .map(({ key, bytes }) => `${key} (${formatBytes(bytes)})`);
  throw new TaskError(
    `Input 'parameters' has ${plural(size, 'byte')}, but Databricks takes ${plural(MAX_BYTES, 'byte')} at most. ` +
      `The largest: ${largest.join(', ')}. Store the value, and pass the notebook the place where it is.`,
  );
}
