import { URL_NAMESPACE, uuidV5 } from './uuid';

/** Whose extension it is, and what it is called in the Marketplace. */
export interface Identity {
  readonly publisher: string;
  readonly extensionId: string;
  /** Installable beside the extension that it is a build of. */
  readonly dev: boolean;
}

/** What an extension is known by: its manifest, and its tasks by the names of their folders. */
export interface Extension {
  readonly manifest: Manifest;
  readonly tasks: Readonly<Record<string, Task>>;
}

export interface Manifest {
  readonly publisher: string;
  readonly id: string;
  readonly version: string;
  readonly name: string;
  readonly contributions: readonly Contribution[];
  readonly files: readonly PackedFile[];
  readonly links?: Readonly<Record<string, { readonly uri: string }>>;
  readonly public?: boolean;
  readonly repository?: { readonly type: 'git'; readonly uri: string };
  readonly badges?: readonly Badge[];
}

/** A small picture on the Marketplace's page, and where it leads. */
export interface Badge {
  readonly uri: string;
  readonly href: string;
  readonly description: string;
}

export interface PackedFile {
  readonly path: string;
}

interface Contribution {
  readonly type: string;
  readonly properties: { readonly name: string; readonly displayName?: string };
}

export interface Task {
  readonly id: string;
  readonly name: string;
  readonly friendlyName: string;
  readonly instanceNameFormat: string;
  /** Where the form and the log say there is more about it. */
  readonly helpUrl: string;
  readonly version: TaskVersion;
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
}

export interface TaskVersion {
  readonly Major: number;
  readonly Minor: number;
  readonly Patch: number;
}

const ENDPOINT_TYPE = 'ms.vss-endpoint.service-endpoint-type';

/** Where other tools for publishing begin too, so that they find the same ids. */
const TASK_NAMESPACE = uuidV5(URL_NAMESPACE, 'https://marketplace.visualstudio.com/vsts');

/**
 * What `--publisher`, `--extension-id` and `--dev` make of the extension's own identity.
 *
 * @throws when one of them is no name that the Marketplace takes
 */
export function identityOf(
  { publisher, id }: Pick<Manifest, 'publisher' | 'id'>,
  options: { readonly publisher?: string; readonly extensionId?: string; readonly dev?: boolean },
): Identity {
  const dev = options.dev ?? false;
  const wanted = options.extensionId ?? id;
  const identity = {
    publisher: options.publisher ?? publisher,
    extensionId: dev && !wanted.endsWith('-dev') ? `${wanted}-dev` : wanted,
    dev,
  };
  for (const [option, value] of [
    ['publisher', identity.publisher],
    ['extension-id', identity.extensionId],
  ] as const) {
    if (!/^[a-z0-9][a-z0-9-]*$/i.test(value)) {
      throw new Error(
        `--${option} '${value}' is no name that the Marketplace takes: letters, digits and hyphens, with a letter or digit first.`,
      );
    }
  }
  return identity;
}

/**
 * The extension under another identity. Whatever two extensions may not share in one organization or in the
 * Marketplace is made from the identity, always in the same way: the ids of the tasks and the type of service
 * connection. A build for development also has tasks of other names, since YAML can't tell tasks of one name apart,
 * and says "(dev)" wherever a person reads a name.
 */
export function underIdentity({ manifest, tasks }: Extension, identity: Identity): Extension {
  const { publisher, extensionId, dev } = identity;
  if (publisher === manifest.publisher && extensionId === manifest.id) return { manifest, tasks };

  const endpointTypes = new Map(
    manifest.contributions
      .filter(({ type }) => type === ENDPOINT_TYPE)
      .map(({ properties: { name } }) => [name, `${name}-${publisher}-${extensionId}`.toLowerCase()]),
  );
  const asNamed = (text: string) => (dev ? `${text} (dev)` : text);
  const contribution = (declared: Contribution): Contribution => {
    const { name, displayName } = declared.properties;
    if (declared.type !== ENDPOINT_TYPE) return declared;
    return {
      ...declared,
      properties: {
        ...declared.properties,
        name: endpointTypes.get(name)!,
        ...(displayName && { displayName: asNamed(displayName) }),
      },
    };
  };
  const task = (declared: Task): Task => ({
    ...declared,
    id: taskId(identity, declared.name),
    name: taskName(identity, declared.name),
    friendlyName: asNamed(declared.friendlyName),
    instanceNameFormat: asNamed(declared.instanceNameFormat),
    inputs: declared.inputs.map((input) => ({ ...input, type: inputType(input.type, endpointTypes) })),
  });
  return {
    manifest: {
      ...manifest,
      publisher,
      id: extensionId,
      name: asNamed(manifest.name),
      contributions: manifest.contributions.map(contribution),
    },
    tasks: Object.fromEntries(Object.entries(tasks).map(([folder, declared]) => [folder, task(declared)])),
  };
}

function taskId({ publisher, extensionId }: Identity, name: string): string {
  return uuidV5(TASK_NAMESPACE, `${publisher}.${extensionId}.${name}`);
}

/** What YAML calls a task: its own name, and for development one that tells whose build it is. */
export function taskName(identity: Identity, name: string): string {
  const { publisher, dev } = identity;
  if (!dev) return name;
  const words = publisher.split('-').filter(Boolean);
  const whose = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  // A task's name holds no hyphens, but without them two publishers can look the same.
  const mark = words.length > 1 || publisher.endsWith('-') ? taskId(identity, name).slice(0, 4) : '';
  return `${name}Dev${whose}${mark}`;
}

/** An input that picks a service connection names the connection's type, and maybe ways to sign in after it. */
function inputType(type: string, endpointTypes: ReadonlyMap<string, string>): string {
  const [kind, name, ...schemes] = type.split(':');
  const renamed = kind === 'connectedService' && name ? endpointTypes.get(name) : undefined;
  return renamed ? [kind, renamed, ...schemes].join(':') : type;
}
