import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Resources of the Marketplace's API that a publisher's tool looks up by their ids. */
const LOCATIONS = [
  ['a41192c8-9525-4b58-bc86-179fa549d80d', 'extensions', '_apis/{area}/extensions'],
  [
    'e11ea35a-16fe-4b80-ab11-c4cab88a0966',
    'extensions',
    '_apis/{area}/publishers/{publisherName}/extensions/{extensionName}',
  ],
  [
    'a1e66d8f-f5de-4d16-8309-91a4e015ee46',
    'extensionshare',
    '_apis/{area}/publishers/{publisherName}/extensions/{extensionName}/accounts/{accountName}',
  ],
].map(([id, resourceName, routeTemplate]) => ({
  id,
  area: 'gallery',
  resourceName,
  routeTemplate,
  minVersion: '3.0',
  maxVersion: '7.2',
  releasedVersion: '0.0',
  resourceVersion: 2,
}));

export interface MarketplaceStandIn {
  readonly address: string;
  /** What was asked for, with the address behind the API's area. */
  readonly requests: string[];
  /** The packages that were sent. */
  readonly packages: Buffer[];
  close(): Promise<void>;
}

/** A small stand-in of the Marketplace's API, with one extension at most. It takes one token. */
export async function startMarketplace(token: string, versions: string[]): Promise<MarketplaceStandIn> {
  const requests: string[] = [];
  const packages: Buffer[] = [];
  const published = [...versions];
  const authorization = `Basic ${Buffer.from(`OAuth:${token}`).toString('base64')}`;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.method === 'OPTIONS') return answer(200, { value: LOCATIONS, count: LOCATIONS.length });
    if (request.headers.authorization !== authorization) return answer(401, { message: 'Not signed in' });
    const path = new URL(request.url!, 'http://marketplace').pathname.replace('/_apis/gallery/', '');
    requests.push(`${request.method} ${path}`);
    if (path.includes('/accounts/')) return answer(200, {});
    if (request.method === 'GET' && published.length === 0) return answer(404, { message: 'Not there' });
    if (request.method !== 'GET') {
      packages.push(Buffer.concat(chunks));
      published.push('1.0.7');
    }
    return answer(200, {
      versions: published.map((version, index) => ({
        version,
        flags: 1,
        lastUpdated: new Date(2026, 0, index + 1).toISOString(),
      })),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    packages,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
