import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import type { AppDefinition, ContainerApps } from './container-apps';
import type { ContainerGroups, GroupDefinition } from './container-groups';
import { CliError } from './places';

export interface Places {
  readonly apps: ContainerApps;
  readonly groups: ContainerGroups;
  /** The digest of what a tag of the registry names; undefined where there is none. */
  readonly digestOf: (image: string) => Promise<string | undefined>;
}

type Options = Record<string, string>;
type Command = (places: Places, options: Options, rest: readonly string[]) => unknown;

/** The commands of Azure's command line that the deployments give; everything else is refused. */
const COMMANDS: Readonly<Record<string, Command>> = {
  'containerapp show': ({ apps }, { name }) => apps.show(name!),
  'containerapp create': ({ apps }, { name, yaml }) => apps.create(name!, definition<AppDefinition>(yaml)),
  'containerapp update': ({ apps }, { name, yaml }) => apps.update(name!, definition<AppDefinition>(yaml)),
  'containerapp env show': (_, { name }) => ({ id: `/local/environments/${name}`, name, location: 'local' }),
  'containerapp revision show': ({ apps }, { name, revision }) => apps.showRevision(name!, revision!),
  'containerapp revision list': ({ apps }, { name }) => apps.listRevisions(name!),
  'containerapp revision deactivate': ({ apps }, { name, revision }) => apps.deactivate(name!, revision!),
  'containerapp ingress traffic set': ({ apps }, options, rest) =>
    apps.route(options.name!, [options['revision-weight']!, ...rest]),
  'container show': ({ groups }, { name }) => groups.show(name!),
  'container create': ({ groups }, { file }) => groups.create(definition<GroupDefinition>(file)),
  'acr repository show': async ({ digestOf }, { image }) => {
    const digest = await digestOf(image!);
    if (!digest) throw new CliError(`(ManifestUnknown) The image '${image}' was not found.`, 1);
    return { name: image, digest };
  },
};

const NAMED = ['name', 'resource-group', 'yaml', 'file', 'revision', 'revision-weight', 'image', 'output'];

/**
 * Carries out one command line of `az`.
 *
 * @returns what it answers, in JSON
 * @throws CliError with what it complains of
 */
export async function carryOut(args: readonly string[], places: Places): Promise<string> {
  const { values, positionals } = read(args);
  const words = Object.keys(COMMANDS).find((known) => positionals.join(' ').startsWith(known));
  if (!words) throw new CliError(`'${positionals.join(' ')}' is not carried out on this machine.`, 2);
  const rest = positionals.slice(words.split(' ').length);
  const answer = await COMMANDS[words]!(places, values, rest);
  return answer === undefined ? '' : JSON.stringify(answer);
}

function read(args: readonly string[]): { values: Options; positionals: string[] } {
  try {
    const options = Object.fromEntries(NAMED.map((name) => [name, { type: 'string' as const }]));
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...options, 'only-show-errors': { type: 'boolean' } },
    });
    const { 'only-show-errors': _quiet, ...texts } = values;
    return { values: texts as Options, positionals };
  } catch (error) {
    throw new CliError((error as Error).message, 2);
  }
}

function definition<T>(file: string | undefined): T {
  if (!file) throw new CliError('A definition is needed, as --yaml or --file.', 2);
  return parse(readFileSync(file, 'utf8')) as T;
}
