/** The status that goes with each error code of the registry protocol. */
const STATUS = {
  UNAUTHORIZED: 401,
  UNSUPPORTED: 405,
  REGISTRY_DISALLOWED_OPERATION: 405,
  NAME_UNKNOWN: 404,
  TAG_UNKNOWN: 404,
  MANIFEST_UNKNOWN: 404,
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_UNKNOWN: 404,
  NAME_INVALID: 400,
  DIGEST_INVALID: 400,
  SIZE_INVALID: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  BLOB_UPLOAD_INVALID: 400,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  UNKNOWN: 500,
} as const;

/** A request that is answered with an error; the texts are those that Azure Container Registry sends. */
export class RegistryError extends Error {
  readonly status: number;

  constructor(
    readonly code: keyof typeof STATUS,
    message: string,
    readonly detail?: unknown,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
    this.status = STATUS[code];
  }

  get body(): object {
    const { code, message, detail } = this;
    return { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] };
  }
}

export function manifestUnknown(repository: string, reference: string): RegistryError {
  return reference.includes(':')
    ? new RegistryError('MANIFEST_UNKNOWN', `manifest ${reference} is not found`, {
        Name: repository,
        Revision: reference,
      })
    : new RegistryError('MANIFEST_UNKNOWN', `manifest tagged by "${reference}" is not found`, {
        Tag: reference,
      });
}

export function repositoryUnknown(name: string): RegistryError {
  return new RegistryError('NAME_UNKNOWN', 'repository name not known to registry', { name });
}

/** What a locked tag or manifest answers to a change: seen with status 405 in logs of the real service. */
export function locked(): RegistryError {
  return new RegistryError(
    'REGISTRY_DISALLOWED_OPERATION',
    'The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation',
    {},
  );
}
