import { TaskError } from '../../common/errors';
import { explainBy, type Signature } from '../../common/explain';
import { bound } from '../../common/foreign-text';
import type { HttpAnswer } from '../../common/http';
import { registryOf } from '../image/image-name';
import { registryNameOf } from './names';

/** Which registry an error came from. */
export interface RegistryContext {
  readonly host: string;
  readonly repository: string;
  /** What it was asked for; by default, also to push. */
  readonly access?: string;
  /** Whether what is read there is the image to copy, and not one that a Dockerfile names. */
  readonly isSource?: boolean | undefined;
}

/** What registries answer when they refuse a user, by Azure Container Registry's documents and by docker's own words. */
const SIGNATURES: readonly Signature<RegistryContext>[] = [
  {
    pattern: /client with IP '([^']+)' is not allowed/,
    explain: ([, address], { host }) =>
      `The firewall of ${host} does not let this agent in. Allow its address ${address} (registry, Networking), or run the job on an agent inside the network.`,
  },
  {
    pattern: /admin user (?:account )?is disabled/i,
    explain: (_, { host }) =>
      `The admin user of ${host} is disabled. Enable it (portal, Access keys), or sign in with a service connection: input 'authType'.`,
  },
  {
    pattern: /CMK_ERROR|Key Encryption Key/i,
    explain: (_, { host }) =>
      `${host} can't read the key that its contents are encrypted with. Ask the owner of the key vault to give the registry access to the key again.`,
  },
  {
    pattern: /server gave HTTP response to HTTPS client/,
    explain: (_, { host }) =>
      `${host} speaks HTTP only, which docker uses with registries on this machine alone. Give the registry a certificate, or list it as insecure in the engine's settings.`,
  },
];

/** What they answer to a user who has signed in to push. */
const PUSH_SIGNATURES: readonly Signature<RegistryContext>[] = [
  {
    pattern: /REGISTRY_DISALLOWED_OPERATION|operation is disallowed/i,
    explain: (_, { host, repository }) =>
      `${host} refuses to change '${repository}': the tag or the repository is locked, or the registry is read-only or out of space. Push another version, or unlock it with 'az acr repository update -n ${registryNameOf(host) ?? '<registry>'} --image ${repository}:<tag> --write-enabled true'.`,
  },
  {
    pattern: /quota|storage limit/i,
    explain: (_, { host }) =>
      `The storage of ${host} is used up. Delete old images ('az acr repository delete -n ${registryNameOf(host) ?? '<registry>'} --image …', or a purge task), or move to a larger tier.`,
  },
  {
    pattern: /TOOMANYREQUESTS|too many requests/i,
    explain: (_, { host }) =>
      `${host} gets more requests than its tier allows. Try again later, run fewer jobs at once, or move to a larger tier.`,
  },
  {
    pattern: /request body too large/i,
    explain: (_, { host }) =>
      `${host} refuses the image's manifest, since it is too large. Build the image with fewer layers.`,
  },
  {
    // The words of nginx, Apache, IIS and docker.
    pattern: /request entity too large|payload too large|content too large|HTTP 413\b|status code 413/i,
    explain: (_, { host }) =>
      `A proxy in front of ${host} takes no upload of this size (HTTP 413). Raise its limit (client_max_body_size in nginx), or let this agent reach the registry without it.`,
  },
  {
    // Also the answer to those who may pull only: whoever reads it here has signed in already.
    pattern:
      /insufficient_scope|access to the resource is denied|"DENIED"|^denied: |unauthorized|authentication required|no basic auth/im,
    explain: (_, { host, repository }) =>
      `${host} knows this user, but does not let it push to '${repository}'. Give it the role AcrPush (Container Registry Repository Writer where permissions are by repository), or use the admin user.`,
  },
];

/** What they answer to those who want to read a base image. */
const PULL_SIGNATURES: readonly Signature<RegistryContext>[] = [
  {
    pattern: /toomanyrequests|too many requests|pull rate limit/i,
    explain: (_, { host }) =>
      `${host} allows no more downloads from this address for now. Try again later, log in to it before this step, or keep a copy of the base image in your own registry.`,
  },
  {
    // Registries answer the same to those who may not read an image as to those who ask for one that is not there.
    pattern:
      /MANIFEST_UNKNOWN|NAME_UNKNOWN|insufficient_scope|access to the resource is denied|"DENIED"|unauthorized|authentication required/i,
    explain: (_, context) => explainUnreadable(context),
  },
];

/** What they answer to those who want to lock a tag, when all has been pushed. */
const LOCK_SIGNATURES: readonly Signature<RegistryContext>[] = [
  {
    pattern: /insufficient_scope|"DENIED"|unauthorized|authentication required/i,
    explain: (_, { host, repository }) =>
      `The image was pushed, but ${host} does not let this user lock tags of '${repository}'. Give it a role with the right to write metadata there, such as Contributor (Container Registry Repository Writer where permissions are by repository), or set input 'lockTag' to false.`,
  },
];

/** What a registry's refusal means and what to do about it, where its words are known. */
export function explainRegistryError(text: string, context: RegistryContext): string | undefined {
  return explainBy([...SIGNATURES, ...signaturesFor(context.access)], text, context);
}

function signaturesFor(access = 'pull,push'): readonly Signature<RegistryContext>[] {
  if (access === 'pull') return PULL_SIGNATURES;
  return access.endsWith('metadata_write') ? LOCK_SIGNATURES : PUSH_SIGNATURES;
}

/** Why a registry does not let a user sign in at all, where it is not the password. */
export function explainRefusedSignIn(text: string, context: RegistryContext): string | undefined {
  return explainBy(SIGNATURES, text, context);
}

/** What to say of a base image that a registry does not give. */
export function explainMissingBase(image: string): string {
  const [host = '', ...rest] = image.split('/');
  const name = [registryOf(host), ...rest].join('/');
  return `There is no base image '${name}', or it can't be read without a login. Check the name and tag in the Dockerfile's FROM line; for a private image, log in to its registry before this step.`;
}

/** What to say of an image that a registry does not give. */
export function explainUnreadable({ host, repository, isSource }: RegistryContext): string {
  const image = `${host}/${repository}`;
  return isSource
    ? `There is no such image in '${image}', or this step may not read it. Check input 'sourceImage', and that nothing has deleted the image; give the step's identity the role AcrPull there (Container Registry Repository Reader where permissions are by repository), or log in to a registry outside Azure before this step.`
    : explainMissingBase(image);
}

/** The error that an answer amounts to; goes on from `refused to`. */
export function refusal(context: RegistryContext, answer: HttpAnswer, purpose: string): TaskError {
  const { host } = context;
  const text = textOf(answer);
  const correlation = answer.headers.get('x-ms-correlation-request-id');
  const words = `HTTP ${answer.status} ${answer.headers.get('www-authenticate') ?? ''} ${text}`;
  return new TaskError(
    explainRegistryError(words, context) ??
      `${host} refused to ${purpose} (HTTP ${answer.status}). Its answer stands above this message.`,
    {
      details: [
        `${host}: HTTP ${answer.status}. ${text}`,
        ...(correlation ? [`Correlation id for Azure support: ${correlation}`] : []),
      ],
    },
  );
}

/** A registry does not know a blob of a manifest that it is to store, though it has taken all of them in. */
export class MissingBlobError extends TaskError {
  constructor(host: string, answer: HttpAnswer) {
    super(
      `${host} does not know all parts of the image that it has taken in, as happens where a registry is replicated to several regions and they have not come to all of them.`,
      { details: [`${host}: HTTP ${answer.status}. ${textOf(answer)}`] },
    );
  }
}

/** Whether a manifest was refused for a blob or an image in it that the registry does not know. */
export function lacksBlob({ status, body }: HttpAnswer): boolean {
  return (
    [400, 404].includes(status) &&
    /MANIFEST_BLOB_UNKNOWN|BLOB_UNKNOWN|MANIFEST_UNKNOWN/.test(body.toString('utf8'))
  );
}

/** What a registry says, as far as it is worth reading. */
export function textOf({ body }: HttpAnswer): string {
  return bound(body.toString('utf8'), 2_000);
}
