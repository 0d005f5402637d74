import {
  AnonymousCredential,
  ContainerClient,
  type HttpOperationResponse,
  newPipeline,
  RestError,
  type WebResource,
} from '@azure/storage-blob';
import { PAGE_SIZE, type Page } from './container';

/**
 * Sends a request of the library's and brings its whole answer. It signs it too, so that there is one way to sign in.
 *
 * @throws RestError of ours when the service refuses, BrokenAnswerError when there was no whole answer
 */
export type Send = (
  query: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
) => Promise<string>;

/** What our own side of a request decides, whatever the library would have sent. */
const OURS = ['user-agent', 'accept-encoding', 'connection', 'host'];

/**
 * Asks for the folders of a container with `@azure/storage-blob`, over connections of ours: those know the agent's proxy and
 * certificates, and bound what comes.
 *
 * @param url the container's
 * @param from where the page begins; undefined for the first
 * @returns the names directly under the prefix that have something under them, without the prefix and slash; undefined where what
 *   came is no listing
 */
export async function listFolders(
  url: string,
  { prefix, from }: { readonly prefix: string; readonly from: string | undefined },
  send: Send,
): Promise<Page<string> | undefined> {
  const httpClient = { sendRequest: (request: WebResource) => answer(request, send) };
  const pipeline = newPipeline(new AnonymousCredential(), { httpClient, retryOptions: { maxTries: 1 } });
  const pages = new ContainerClient(url, pipeline).listBlobsByHierarchy('/', { prefix });
  const settings = { maxPageSize: PAGE_SIZE, ...(from && { continuationToken: from }) };
  try {
    const { value: page } = await pages.byPage(settings).next();
    const items = (page.segment.blobPrefixes ?? []).map(({ name }: { name: string }) =>
      name.slice(prefix.length, -1),
    );
    return { items, next: page.continuationToken || undefined };
  } catch (error) {
    // The library looks for the parts of a listing in whatever came.
    const isUnreadable = error instanceof TypeError || error instanceof RestError;
    if (isUnreadable) return undefined;
    throw error;
  }
}

async function answer(request: WebResource, send: Send): Promise<HttpOperationResponse> {
  const query = Object.fromEntries(new URL(request.url).searchParams);
  const sent = request.headers.headersArray().filter(({ name }) => !OURS.includes(name.toLowerCase()));
  const text = await send(
    query,
    Object.fromEntries(sent.map(({ name, value }) => [name.toLowerCase(), value])),
  );
  const headers = request.headers.clone();
  for (const name of headers.headerNames()) headers.remove(name);
  headers.set('content-type', 'application/xml');
  return { request, status: 200, headers, bodyAsText: text };
}
