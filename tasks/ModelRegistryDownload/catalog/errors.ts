import { explainNoAnswer } from '../../common/connection';
import { type AccessNames, errorFromAnswer, isNotFound } from '../../common/databricks/errors';
import { TaskError } from '../../common/errors';
import { BrokenAnswerError, PageError, RestError, reason } from '../registry/errors';

/** What a request to the workspace was for. */
export interface Call {
  /** As messages go on from "could not": `list the versions of …`. */
  readonly action: string;
  /** What it takes, as messages go on from "give that user". */
  readonly permission: string;
  /** The part of Databricks' API that is asked: `Files API`. */
  readonly api: string;
}

/** A workspace's refusal of one of these calls. */
export class RefusedCallError extends RestError {
  constructor(
    { message, statusCode, code, headers, body }: RestError,
    readonly call: Call,
  ) {
    super(message, statusCode, code, headers, body);
  }
}

/** Where the workspace is, as far as messages need to say. */
export interface WorkspaceNames {
  readonly origin: string;
  readonly access: AccessNames;
}

/** Whether a workspace says that what was asked for does not exist; an API that it does not know is another matter. */
export function saysNotFound(error: unknown, workspace: WorkspaceNames): boolean {
  return error instanceof RefusedCallError && isNotFound(databricksError(error, workspace));
}

/** What an error of the workspace or of the connection to it means for the reader. Other errors come back as they are. */
export function explainCatalogError(error: unknown, workspace: WorkspaceNames): unknown {
  const { origin, access } = workspace;
  const { host } = new URL(origin);
  if (error instanceof BrokenAnswerError) {
    const message = `${explainNoAnswer(host, error, error.isAnswered)} The host is that of ${access.host}.`;
    return new TaskError(message, { cause: error });
  }
  if (error instanceof PageError) {
    const message = `A web page answered in place of Databricks at ${host}. Check that ${access.host} is the address of a workspace, and whether a proxy stands in between.`;
    return new TaskError(message, { cause: error });
  }
  if (!(error instanceof RefusedCallError))
    return error instanceof RestError ? storageError(error, host) : error;
  if (error.code === 'ENDPOINT_NOT_FOUND') {
    const { action, api } = error.call;
    const message = `The workspace at ${host} could not ${action}: it does not know the ${api} (HTTP ${error.statusCode} ${error.code}). Check that ${access.host} is the address of a workspace with Unity Catalog.`;
    return new TaskError(message, { cause: error });
  }
  return new TaskError(databricksError(error, workspace).message, { cause: error });
}

/** Links lead to the cloud's storage, which answers for itself. */
function storageError(error: RestError, host: string): TaskError {
  const message = `The cloud's storage, to which the workspace at ${host} gives links, answered ${reason(error)} about a file. Run the step again; if that stays so, see whether a proxy or a firewall stands between this agent and the storage.`;
  return new TaskError(message, { cause: error });
}

function databricksError({ statusCode, headers, body, call }: RefusedCallError, workspace: WorkspaceNames) {
  const answer = {
    status: statusCode,
    headers: { get: (name: string) => headers.get(name) ?? null },
    body: Buffer.from(body),
  };
  return errorFromAnswer(answer, { ...workspace, ...call });
}
