import { toNode, toValue } from './template';
import { ExpressionError, isList, isMap, isNumberText, toText, type Value, type ValueMap } from './values';
import {
  asMapping,
  asSequence,
  asText,
  childOf,
  PipelineError,
  type Position,
  refuseOtherKeys,
  type YamlNode,
} from './yaml';

const TYPES = ['string', 'number', 'boolean', 'object', 'step', 'stepList', 'job', 'jobList'] as const;

/** A parameter that a pipeline or a template declares. */
interface Declaration {
  readonly name: string;
  /** `untyped` is the older `name: default` form, where everything is text. */
  readonly type: (typeof TYPES)[number] | 'untyped';
  readonly default?: YamlNode;
  readonly allowed?: string[];
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
  given: { name: string; value: YamlNode }[],
  at: Position,
): ValueMap {
  const declarations = declared ? readDeclarations(declared) : [];
  const bound: Record<string, Value> = {};
  for (const { name, value } of given) {
    const declaration = declarations.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
    if (!declaration) {
      const known = declarations.map((candidate) => candidate.name).join(', ') || 'none';
      throw new PipelineError(`There is no parameter '${name}'. Declared are: ${known}.`, value.at);
    }
    bound[declaration.name] = check(declaration, value);
  }
  for (const declaration of declarations) {
    if (declaration.name in bound) continue;
    if (!declaration.default) {
      throw new PipelineError(`The parameter '${declaration.name}' needs a value.`, at);
    }
    bound[declaration.name] = check(declaration, declaration.default);
  }
  return bound;
}

/** Parameters as a program gives them, in the form that `bindParameters` takes. */
export function givenValues(
  values: Record<string, unknown>,
  at: Position,
): { name: string; value: YamlNode }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value: toNode(value as Value, at) }));
}

function readDeclarations(node: YamlNode): Declaration[] {
  if (node.kind === 'mapping') {
    return node.entries.map(({ key, value }) => ({ name: key.text, type: 'untyped', default: value }));
  }
  return asSequence(node, "'parameters'").items.map((item) => {
    const mapping = asMapping(item, 'A parameter');
    refuseOtherKeys(
      mapping.entries.map((entry) => entry.key),
      ['name', 'displayName', 'type', 'default', 'values'],
      'a parameter',
    );
    const name = childOf(mapping, 'name');
    if (!name) throw new PipelineError('A parameter needs a name.', item.at);
    const typeNode = childOf(mapping, 'type');
    const type = typeNode ? TYPES.find((known) => known === asText(typeNode, "'type'")) : 'string';
    if (!type) {
      throw new PipelineError(
        `The parameter type '${asText(typeNode!, "'type'")}' is not supported by the local agent. It knows: ${TYPES.join(', ')}.`,
        typeNode!.at,
      );
    }
    const allowed = childOf(mapping, 'values');
    const preset = childOf(mapping, 'default');
    return {
      name: asText(name, "'name'"),
      type,
      ...(preset && { default: preset }),
      ...(allowed && {
        allowed: asSequence(allowed, "'values'").items.map((value) => asText(value, "'values'")),
      }),
    };
  });
}

function check(declaration: Declaration, node: YamlNode): Value {
  const { name, type, allowed } = declaration;
  const wrong = (expected: string) =>
    new PipelineError(`The parameter '${name}' must be ${expected}${shown(node)}.`, node.at);

  if (type === 'object') return toValue(node);
  if (type === 'untyped') return toValue(node, true);
  const value = toValue(node, true);
  if (type === 'step' || type === 'job') {
    if (!isMap(value)) throw wrong(`one ${type}`);
    return value;
  }
  if (type === 'stepList' || type === 'jobList') {
    if (value !== '' && !isList(value)) throw wrong('a list');
    return value === '' ? [] : value;
  }
  const text = scalarText(value);
  if (text === undefined) throw wrong('plain text');
  if (type === 'boolean') {
    if (!/^(true|false)$/i.test(text)) throw wrong('true or false');
    return text.toLowerCase() === 'true';
  }
  if (type === 'number' && !isNumberText(text)) throw wrong('a number');
  if (allowed && !allowed.includes(text)) throw wrong(`one of: ${allowed.join(', ')}`);
  return type === 'number' ? Number(text) : text;
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
