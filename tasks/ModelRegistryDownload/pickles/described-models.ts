import type { Inspection } from './inspection';
import { Global } from './values';

/*
 * Models that are described in JSON: loading them imports the names that the description holds.
 */

/** Modules of Keras, in its three names: what it makes itself. */
const KERAS = /^(keras|tf_keras|tensorflow\.(python\.)?keras)(\.|$)/;

/** Functions of Keras that reach out of the model. */
const REACHING = /get_file|unsafe_deserialization|load_model|load_weights|run_command/;

/** Inspects the description of a Keras model, in which code may hide as a layer. */
export function inspectKeras(description: unknown, place: string, inspection: Inspection): void {
  for (const { module, class_name: kind, config, registered_name: registered } of objectsIn(description)) {
    if (kind === 'Lambda' || kind === '__lambda__')
      inspection.refuse(place, `holds code of its own (a ${kind} layer)`);
    const own = typeof registered === 'string' && /^(.+)>(.+)$/.exec(registered);
    if (own && own[1] !== 'keras' && !KERAS.test(String(module))) {
      inspection.name(place, new Global(String(module ?? own[1]), String(kind)), 'imports', undefined);
    } else if (typeof module === 'string' && module !== '' && !KERAS.test(module)) {
      const isPlain = module === 'builtins' && kind !== 'function';
      const name = kind === 'function' ? config : kind;
      if (!isPlain) inspection.name(place, new Global(module, String(name)), 'imports', undefined);
    } else if (kind === 'function' && REACHING.test(String(config))) {
      inspection.refuse(place, `calls ${String(config)} of Keras`);
    }
  }
}

/** Inspects the schema of a model that skops has stored. */
export function inspectSkops(schema: unknown, place: string, inspection: Inspection): void {
  for (const { __module__: module, __class__: name, module_path: path, function: called } of objectsIn(
    schema,
  )) {
    // That of a function tells what a function is; which it is, its content tells.
    const isKind = name === 'function' || name === 'ufunc' || name === 'builtin_function_or_method';
    if (typeof module === 'string' && typeof name === 'string' && !isKind)
      inspection.name(place, new Global(module, name), 'imports', undefined);
    if (typeof path === 'string' && typeof called === 'string')
      inspection.name(place, new Global(path, called), 'imports', undefined);
  }
}

/** All objects in a JSON value. It has its depth from the parser, which bounds it. */
function* objectsIn(value: unknown): Generator<Readonly<Record<string, unknown>>> {
  const rest = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) yield next as Record<string, unknown>;
    for (const item of Object.values(next)) rest.push(item);
  }
}

/** Texts in an HDF5 file that name a layer with code, with the name's escapes. */
const LAYER = /"class_name"\s*:\s*"(Lambda|__lambda__)"/;

/** Escapes of letters that need none: somebody hides a name. */
const HIDDEN = /\\u00[2-7][0-9a-f]/i;

/** @param text part of an HDF5 file, in which descriptions stand as they are */
export function inspectHdf5(text: string): string | undefined {
  if (LAYER.test(text)) return 'holds code of its own (a Lambda layer)';
  return text.includes('class_name') && HIDDEN.test(text) ? 'hides names of its description' : undefined;
}
