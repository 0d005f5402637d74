import type { Agent } from 'node:http';
import { createAgent } from '../../common/connection';
import { type StoragePipelineOptions, RestError as StorageRestError } from '../storage-blob';
import { PAGE_SIZE, type Page, type RegistrySettings } from './container';
import { BrokenAnswerError, brokenBy, RestError } from './errors';
import { signInTo } from './sign-in';

/** The folders of a container. */
export interface Folders {
  /** As `listFolders` of a ModelContainer. */
  list(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<string>>;
  close(): void;
}

/** Asks for the folders of a container with `@azure/storage-blob`. */
export async function openFolders(settings: RegistrySettings): Promise<Folders> {
  const agent = await createAgent(new URL(settings.endpoint), settings.network);
  // The library hands `agent` on to its transport, though its type does not say so.
  const options: StoragePipelineOptions & { agent: Agent } = { agent, retryOptions: { maxTries: 1 } };
  const client = signInTo(`${settings.endpoint}/${settings.container}`, settings, options);
  return {
    async list(prefix, from, abortSignal) {
      const pages = client.listBlobsByHierarchy('/', { prefix, abortSignal });
      const settings = { maxPageSize: PAGE_SIZE, ...(from && { continuationToken: from }) };
      const page = await firstOf(pages.byPage(settings));
      const items = (page.segment.blobPrefixes ?? []).map(({ name }) => name.slice(prefix.length, -1));
      return { items, next: page.continuationToken || undefined };
    },
    close: () => agent.destroy(),
  };
}

/** @throws RestError and BrokenAnswerError, as reads do */
async function firstOf<T>(pages: AsyncIterator<T>): Promise<T> {
  try {
    return (await pages.next()).value;
  } catch (error) {
    throw fromLibrary(error as Error);
  }
}

const NO_LISTING = 'the answer is not a whole listing';

/** An error of the library as one of ours. What it did not make itself, such as that there is no token, stays. */
function fromLibrary(error: Error): Error {
  // The library's name for a connection that broke.
  if (error.name === 'AbortError') return new BrokenAnswerError('the connection broke');
  // It looks for the parts of a listing in whatever came.
  if (error instanceof TypeError) return new BrokenAnswerError(NO_LISTING);
  if (!(error instanceof StorageRestError)) return error;
  const { statusCode, message, response } = error;
  // The library has codes of its own too, for answers that it cannot read.
  const isUnreadable = error.code === StorageRestError.PARSE_ERROR;
  if (statusCode === undefined || statusCode < 300) {
    return isUnreadable ? new BrokenAnswerError(NO_LISTING) : brokenBy(error);
  }
  const headers = new Map(response?.headers);
  const code = isUnreadable ? undefined : error.code;
  return new RestError(message, statusCode, code ?? headers.get('x-ms-error-code'), headers);
}
