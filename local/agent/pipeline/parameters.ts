import { mayHoldExpressions, partsOf } from './directives';
import { toNode, toValue } from './template';
import {
  ExpressionError,
  entriesOfMap,
  fold,
  isList,
  isMap,
  toNumber,
  toText,
  type Value,
  type ValueMap,
} from './values';
import {
  asMapping,
  asSequence,
  asText,
  childOf,
  PipelineError,
  type Position,
  parseYaml,
  refuseOtherKeys,
  type YamlNode,
} from './yaml';

/** What both pipelines and templates may declare. */
const TYPES = [
  'string',
  'stringList',
  'number',
  'boolean',
  'object',
  'step',
  'stepList',
  'job',
  'jobList',
  'deployment',
  'deploymentList',
  'stage',
  'stageList',
  'container',
  'containerList',
] as const;
/** What a form for queueing a run can ask for; to the YAML these are text or an object. */
const FORM_TYPES = ['environment', 'filePath', 'pool', 'secureFile', 'serviceConnection'] as const;
const TEMPLATE_TYPES = ['legacyObject'] as const;

type Type = (typeof TYPES)[number] | (typeof FORM_TYPES)[number] | (typeof TEMPLATE_TYPES)[number];

/** A parameter that a pipeline or a template declares. */
interface Declaration {
  readonly name: string;
  /** `untyped` is the older `name: default` form, where everything is text. */
  readonly type: Type | 'untyped';
  readonly default?: YamlNode;
  readonly allowed?: readonly string[];
}

export interface GivenParameter {
  readonly name: string;
  readonly value: YamlNode;
}

/**
 * The values of declared parameters: what was given, checked against the type, or else the default.
 * @param declared the `parameters:` node of a pipeline or template, if it has one
 * @param given already expanded
 * @param at where the values were given, for messages
 * @throws PipelineError for values that are missing, unexpected or of the wrong type
 */
export function bindParameters(
  declared: YamlNode | undefined,
  given: readonly GivenParameter[],
  at: Position,
  of: 'pipeline' | 'template',
): ValueMap {
  // A template that declares nothing takes everything, and cannot use any of it.
  if (!declared && of === 'template') return new Map();
  const declarations = declared ? readDeclarations(declared, of) : [];
  const bound = new Map<string, Value>();
  for (const { name, value } of given) {
    const declaration = declarations.find((candidate) => fold(candidate.name) === fold(name));
    if (!declaration) {
      const known = declarations.map((candidate) => candidate.name).join(', ') || 'none';
      throw new PipelineError(`There is no parameter '${name}'. Declared are: ${known}.`, value.at);
    }
    bound.set(declaration.name, check(declaration, of === 'pipeline' ? parsed(declaration, value) : value));
  }
  for (const declaration of declarations) {
    if (bound.has(declaration.name)) continue;
    if (!declaration.default) {
      const type = declaration.type === 'string' ? '' : ` of type ${declaration.type}`;
      throw new PipelineError(`The parameter '${declaration.name}'${type} needs a value.`, at);
    }
    bound.set(declaration.name, check(declaration, declaration.default));
  }
  return bound;
}

/** Parameters as a program or a command line gives them, in the form that `bindParameters` takes. */
export function givenValues(values: Record<string, unknown>, at: Position): GivenParameter[] {
  return Object.entries(values).map(([name, value]) => ({ name, value: toNode(value as Value, at) }));
}

/** A command line can give an object or a list as text only: as YAML, of which JSON is a part. */
function parsed({ name, type }: Declaration, value: YamlNode): YamlNode {
  const isText = ['string', 'number', 'boolean', 'untyped', 'environment', 'filePath'].includes(type);
  return isText || value.kind !== 'scalar' ? value : parseYaml(value.text, `the parameter '${name}'`);
}

function readDeclarations(node: YamlNode, of: 'pipeline' | 'template'): Declaration[] {
  if (node.kind === 'mapping') {
    return node.entries.map(({ key, value }) => ({ name: key.text, type: 'untyped', default: value }));
  }
  const seen = new Set<string>();
  return asSequence(node, "'parameters'").items.map((item) => {
    const declaration = readDeclaration(item, of);
    if (seen.has(fold(declaration.name))) {
      throw new PipelineError(`The parameter '${declaration.name}' is declared twice.`, item.at);
    }
    seen.add(fold(declaration.name));
    return declaration;
  });
}

function readDeclaration(item: YamlNode, of: 'pipeline' | 'template'): Declaration {
  const mapping = asMapping(item, 'A parameter');
  refuseOtherKeys(
    mapping.entries.map((entry) => entry.key),
    ['name', 'displayName', 'type', 'default', 'values'],
    'a parameter',
  );
  const name = childOf(mapping, 'name');
  if (!name) throw new PipelineError('A parameter needs a name.', item.at);
  const allowed = childOf(mapping, 'values');
  const preset = childOf(mapping, 'default');
  return {
    name: asText(constant(name), "'name'"),
    type: readType(childOf(mapping, 'type'), of),
    ...(preset && { default: constant(preset) }),
    ...(allowed && {
      allowed: asSequence(constant(allowed), "'values'").items.map((value) => asText(value, "'values'")),
    }),
  };
}

function readType(node: YamlNode | undefined, of: 'pipeline' | 'template'): Type {
  if (!node) return 'string';
  const known: readonly Type[] = [...TYPES, ...(of === 'pipeline' ? FORM_TYPES : TEMPLATE_TYPES)];
  const text = asText(node, "'type'");
  const type = known.find((candidate) => candidate === text);
  if (type) return type;
  throw new PipelineError(
    `There is no parameter type '${text}' in a ${of}. There are: ${known.join(', ')}.`,
    node.at,
  );
}

/** A declaration is read before anything has a value: of `${{ }}` it may hold nothing but a quoted text. */
function constant(node: YamlNode): YamlNode {
  if (node.kind === 'sequence') return { ...node, items: node.items.map(constant) };
  if (node.kind === 'mapping') {
    return {
      ...node,
      entries: node.entries.map(({ key, value }) => ({ key: plainKey(key), value: constant(value) })),
    };
  }
  if (!mayHoldExpressions(node)) return node;
  const [only, ...others] = partsOf(node);
  const text = /^\s*'((?:[^']|'')*)'\s*$/.exec(only?.expression ? only.text : '')?.[1];
  if (text === undefined || others.length > 0) throw notAllowed(node.at);
  return { ...node, text: text.replaceAll("''", "'"), plain: false, literal: true };
}

function plainKey<T extends YamlNode & { kind: 'scalar' }>(key: T): T {
  if (mayHoldExpressions(key)) throw notAllowed(key.at);
  return key;
}

function notAllowed(at: Position): PipelineError {
  return new PipelineError('A template expression is not allowed in the declaration of a parameter.', at);
}

function check(declaration: Declaration, node: YamlNode): Value {
  const { name, type } = declaration;
  if (type === 'untyped' || type === 'legacyObject') return toValue(node, true);
  if (type === 'object' || type === 'pool') return toValue(node);
  const wrong = (expected: string) =>
    new PipelineError(`The parameter '${name}' must be ${expected}${shown(node)}.`, node.at);
  const value = toValue(node, true);
  if (type === 'stringList') return checkTexts(declaration, value, wrong);
  if (type.endsWith('List')) {
    if (value !== '' && !isList(value)) throw wrong('a list');
    return value === '' ? [] : value;
  }
  if (['step', 'job', 'deployment', 'stage', 'container'].includes(type)) return checkOne(type, value, wrong);
  return checkScalar(declaration, value, wrong);
}

type Complaint = (expected: string) => PipelineError;

function checkOne(type: string, value: Value, wrong: Complaint): Value {
  if (!isMap(value)) throw wrong(`one ${type}`);
  const keys = entriesOfMap(value).map(([key]) => key);
  if (type === 'step' && !keys.some((key) => key.includes('${{') || isStepKeyword(key)))
    throw wrong('one step');
  if (type !== 'step' && !keys.includes(type) && !keys.includes('template'))
    throw wrong(`one ${type}, with the key '${type}'`);
  return value;
}

/** The words that a step can begin with, those included that the local agent cannot run. */
function isStepKeyword(key: string): boolean {
  return /^(task|script|bash|pwsh|powershell|checkout|publish|download|downloadBuild|getPackage|upload|reviewApp|template)$/.test(
    key,
  );
}

function checkTexts({ allowed }: Declaration, value: Value, wrong: Complaint): Value {
  if (!isList(value)) throw wrong('a list of texts');
  const texts = value.map((item) => scalarText(item));
  if (texts.includes(undefined)) throw wrong('a list of texts');
  if (allowed && texts.some((text) => !allowed.includes(text!)))
    throw wrong(`a list of: ${allowed.join(', ')}`);
  return value;
}

function checkScalar({ type, allowed }: Declaration, value: Value, wrong: Complaint): Value {
  const text = scalarText(value);
  if (text === undefined) throw wrong('plain text');
  if (type === 'boolean') {
    if (!/^(true|false)$/i.test(text)) throw wrong('true or false');
    return text.toLowerCase() === 'true';
  }
  const number = text.trim() === '' ? Number.NaN : toNumber(text);
  if (type === 'number' && Number.isNaN(number)) throw wrong('a number');
  const isAllowed = (one: string) => (type === 'number' ? toNumber(one) === number : one === text);
  if (allowed && !allowed.some(isAllowed)) throw wrong(`one of: ${allowed.join(', ')}`);
  return type === 'number' ? number : text;
}

function scalarText(value: Value): string | undefined {
  try {
    return toText(value);
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
}

function shown(node: YamlNode): string {
  return node.kind === 'scalar' ? `, not '${node.text}'` : '';
}
