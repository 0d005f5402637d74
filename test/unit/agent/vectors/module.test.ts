import assert from 'node:assert/strict';
import { evaluate } from '../../../../local/agent/pipeline/expression';
import { statusFunctions } from '../../../../local/agent/pipeline/functions';
import { fold, toText, type Value } from '../../../../local/agent/pipeline/values';
import { isTaskResult, mergeResults } from '../../../../local/agent/results';
import type { TaskResult } from '../../../../local/agent/types';
import {
  escapeCommand,
  parseCommand,
  unescapeCommand,
} from '../../../../local/agent/worker/commands/commands';
import { environmentName } from '../../../../local/agent/worker/context/environment';
import { expandMacros } from '../../../../local/agent/worker/context/macros';
import { SecretMasker } from '../../../../local/agent/worker/context/masking';
import { Variables } from '../../../../local/agent/worker/context/variables';
import { nextBuildNumber } from '../../../../local/agent/worker/job/state';
import { resolveInputs } from '../../../../local/agent/worker/steps/inputs';
import { chooseHandler, chooseNodeFolder } from '../../../../local/agent/worker/tasks/nodes';
import { matchesPattern, type TaskDefinition } from '../../../../local/agent/worker/tasks/task-definition';
import { byCategory, readVectors, titleOf, type Vector } from './vectors';

/** A call of one function of the agent; `kind` says of which, the rest are its arguments. */
interface ModuleVector extends Vector {
  readonly kind: keyof typeof CALLS;
  readonly expect: unknown;
  /** Other answers that Azure may give as well. */
  readonly expectAny?: unknown[];
}

type Texts = Record<string, string>;
type SecretText = string | { readonly value: string; readonly secret?: boolean };

const CALLS = {
  parse: ({ line, decode = true }: { line: string; decode?: boolean }) => {
    const command = parseCommand(line, decode);
    if (!command) return null;
    return [command.area, command.event, Object.fromEntries([...command.properties].sort()), command.data];
  },
  unescape: ({ text, decode = true }: { text: string; decode?: boolean }) => unescapeCommand(text, decode),
  escape: ({ text, decode = true }: { text: string; decode?: boolean }) => escapeCommand(text, decode),
  mask: callMask,
  env: ({ name, preserve = false }: { name: string; preserve?: boolean }) => environmentName(name, preserve),
  vars: callVariables,
  expand: ({ text, vars, exact }: { text: string; vars: Texts; exact?: boolean }) =>
    expandMacros(text, (name) => (exact ? vars[name] : findFolded(vars, name))),
  expr: callExpression,
  merge: ({ a, b }: { a: TaskResult | undefined; b: TaskResult }) => mergeResults(a, b),
  taskresult: ({ text }: { text: string }) => isTaskResult(text),
  node: ({ execution, on = [] }: { execution: TaskDefinition['execution']; on?: string[] }) => {
    const handler = chooseHandler(execution!);
    return handler ? [handler.name, chooseNodeFolder(handler.name, (setting) => on.includes(setting))] : null;
  },
  pattern: ({ pattern, name }: { pattern: string; name: string }) => matchesPattern(pattern, name),
  inputs: callInputs,
  buildnumber: (call: { format: string; now: string; revisions?: Record<string, number>; vars?: Texts }) =>
    nextBuildNumber(
      { revisions: { ...call.revisions } },
      call.format,
      new Date(call.now),
      (name) => call.vars?.[name],
    ),
} as const;

function findFolded(texts: Texts, name: string): string | undefined {
  return Object.entries(texts).find(([known]) => fold(known) === fold(name))?.[1];
}

function callMask(call: {
  input: string;
  /** Masked as base64. */
  b64?: string;
  add?: string[];
  variables?: string[];
  min?: number;
  minLater?: number;
}) {
  const masker = new SecretMasker();
  if (call.min !== undefined) masker.minimumLength = call.min;
  for (const secret of call.add ?? []) masker.add(secret);
  for (const secret of call.variables ?? []) masker.addVariable(secret);
  if (call.minLater !== undefined) masker.minimumLength = call.minLater;
  return masker.mask(call.b64 ? Buffer.from(call.b64, 'utf8').toString('base64') : call.input);
}

function callVariables(call: {
  set: Record<string, SecretText>;
  /** Set after the first expansion. */
  then?: Record<string, SecretText>;
  again?: boolean;
  expect: { get: Texts };
}) {
  const variables = new Variables(new SecretMasker());
  const setAll = (given: Record<string, SecretText>) => {
    for (const [name, text] of Object.entries(given)) {
      if (typeof text === 'string') variables.set(name, text);
      else variables.set(name, text.value, text);
    }
  };
  setAll(call.set);
  const warnings = variables.expandEachOther();
  setAll(call.then ?? {});
  if (call.then && call.again !== false) warnings.push(...variables.expandEachOther());
  return {
    get: Object.fromEntries(Object.keys(call.expect.get).map((name) => [name, variables.get(name) ?? null])),
    public: variables
      .all()
      .filter(({ secret }) => !secret)
      .map(({ name }) => name)
      .sort(),
    warnings: warnings.length,
  };
}

function callExpression(call: {
  text: string;
  values?: Record<string, Value>;
  status?: { failed: boolean; canceled: boolean };
  asText?: boolean;
}) {
  const values = call.values ?? { variables: {}, parameters: {} };
  try {
    const functions = call.status && statusFunctions(call.status);
    const value = evaluate(call.text, { values, functions });
    return call.asText === false ? value : toText(value);
  } catch {
    return { error: true };
  }
}

function callInputs(call: {
  inputs: TaskDefinition['inputs'];
  given: Texts;
  vars?: Texts;
  environment?: Texts;
  connections?: [];
}) {
  const definition = {
    id: 'x',
    name: 'T',
    inputs: call.inputs,
    outputVariables: [],
  } as unknown as TaskDefinition;
  return Object.fromEntries(
    resolveInputs({
      definition,
      given: call.given,
      variable: (name) => findFolded(call.vars ?? {}, name),
      environment: call.environment ?? {},
      root: '/w/1/s',
      connections: call.connections ?? [],
    }),
  );
}

describe('The parts of the local agent do what the real ones do', () => {
  for (const [category, vectors] of byCategory(readVectors<ModuleVector>('module.json'))) {
    describe(category, () => {
      for (const vector of vectors) {
        it(titleOf(vector), () => {
          const call = CALLS[vector.kind] as unknown as (given: ModuleVector) => unknown;
          const got = call(vector);
          const others = (vector.expectAny ?? []).map((other) => JSON.stringify(other));
          if (!others.includes(JSON.stringify(got))) assert.deepEqual(got, vector.expect);
        });
      }
    });
  }
});
