import assert from 'node:assert/strict';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { openContainer } from '../../../../tasks/ModelRegistryDownload/registry/client';
import { ListingReader } from '../../../../tasks/ModelRegistryDownload/registry/listing-page';
import { BlobServer } from '../../../support/blob-server';

/** Reads a page that comes in parts of so many characters. */
function readListingPage(xml: string, step = xml.length) {
  const reader = new ListingReader();
  for (let at = 0; at < xml.length; at += step) reader.add(xml.slice(at, at + step));
  return reader.finish();
}

describe('a page of a listing', () => {
  it('is read as the client library reads it', async () => {
    const server = await BlobServer.start();
    const key = new StorageSharedKeyCredential(server.account, server.key);
    const container = openContainer({
      account: server.account,
      credential: server.credential,
      endpoint: server.endpoint,
      container: 'titanic',
      network: { proxyFor: () => undefined, tls: {} },
    });
    try {
      server.hierarchical = true;
      const names = [
        'plain.pkl',
        'a&b<c>.pkl',
        '"quoted" \'name\'',
        'äöü 🚢.pkl',
        ' padded ',
        'a\u0001b',
        'x/y/z',
        'v&1 🚢 <2>\u0001/model.pkl',
      ];
      for (const name of [...names, '&amp;', '</Name>', '%41.pkl']) server.put('titanic', `1/${name}`, name);
      server.put('titanic', '1/big.bin', 'x', { md5: undefined, tier: 'Cool', listedSize: 2 ** 50 });
      server.put('titanic', '1/cold', 'x', { tier: 'Archive', archiveStatus: 'rehydrate-pending-to-hot' });
      server.put('titanic', '1/tagged', 'x', {
        metadata: { note: '<Name>other</Name>', HDI_isfolder: 'TRUE' },
      });
      server.pageSize = 5;
      const library = new ContainerClient(`${server.endpoint}/titanic`, key)
        .listBlobsFlat({ prefix: '1/', includeMetadata: true })
        .byPage();
      let count = 0;
      for (let from: string | undefined, isLast = false; !isLast; ) {
        const page = await container.listBlobs('1/', from, {
          signal: new AbortController().signal,
          touch() {},
        });
        const theirs = (await library.next()).value;
        assert.deepEqual(
          page.items.map(({ name, size, etag, md5, lastModified, tier, rehydration }) => [
            ...[name, size, etag, md5, lastModified.getTime(), tier, rehydration],
          ]),
          theirs.segment.blobItems.map(({ name, properties }: (typeof theirs.segment.blobItems)[0]) => [
            ...[name, properties.contentLength, properties.etag],
            properties.contentMD5?.length ? Buffer.from(properties.contentMD5).toString('hex') : null,
            properties.lastModified.getTime(),
            ...[properties.accessTier, properties.archiveStatus],
          ]),
        );
        assert.equal(page.next ?? '', theirs.continuationToken ?? '');
        count += page.items.length;
        from = page.next;
        isLast = from === undefined;
      }
      assert.ok(count > 13);
      const [folders, theirs] = [[] as string[], [] as string[]];
      for (let from: string | undefined, isLast = false; !isLast; isLast = from === undefined) {
        const idle = { signal: new AbortController().signal, touch() {} };
        const page = await container.listFolders('1/', from, idle);
        folders.push(...page.items.map((name) => `1/${name}/`));
        from = page.next;
      }
      const byFolder = new ContainerClient(`${server.endpoint}/titanic`, key).listBlobsByHierarchy('/', {
        prefix: '1/',
      });
      for await (const item of byFolder) if (item.kind === 'prefix') theirs.push(item.name);
      assert.deepEqual(folders, theirs);
      assert.ok(folders.includes('1/v&1 🚢 <2>\u0001/'));
    } finally {
      container.close();
      await server.stop();
    }
  });

  it('tells the stubs of folders by their metadata, in any case', () => {
    const blob = (metadata: string) =>
      `<Blob><Name>a</Name><Properties><Etag>1</Etag></Properties><Metadata>${metadata}</Metadata></Blob>`;
    const page = (...blobs: string[]) =>
      `<EnumerationResults><Blobs>${blobs.join('')}</Blobs><NextMarker /></EnumerationResults>`;
    const { items, next } = readListingPage(
      page(blob('<Hdi_IsFolder>True</Hdi_IsFolder>'), blob('<hdi_isfolder>false</hdi_isfolder>'), blob('')),
    );
    assert.deepEqual(
      items.map(({ isFolder }) => isFolder),
      [true, false, false],
    );
    assert.equal(next, undefined);
  });

  const page = (blobs: string) =>
    `<?xml version="1.0"?><EnumerationResults><Prefix>1/</Prefix><Blobs>${blobs}</Blobs><NextMarker>next</NextMarker></EnumerationResults>`;
  const blob = (name: string) =>
    `<Blob><Name>${name}</Name><Properties><Etag>1</Etag></Properties><Metadata /></Blob>`;

  it('has a time for each blob that can be written down, whatever it tells', () => {
    const at = (time: string) => blob('a').replace('<Etag>', `<Last-Modified>${time}</Last-Modified><Etag>`);
    const { items } = readListingPage(
      page(at('Mon, 23 Nov 2026 06:00:00 GMT') + at('yesterday') + blob('a')),
    );
    assert.deepEqual(
      items.map(({ lastModified }) => lastModified.toISOString()),
      ['2026-11-23T06:00:00.000Z', '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z'],
    );
  });

  it('is read in whatever parts it comes', () => {
    const xml = page(blob('a') + blob('b') + blob('c'));
    for (let step = 1; step <= xml.length; step++) {
      const { items, next } = readListingPage(xml, step);
      assert.deepEqual([items.map(({ name }) => name), next], [['a', 'b', 'c'], 'next'], `${step}`);
    }
  });

  const unfit: [what: string, xml: string, reason: RegExp][] = [
    ['that ends in its blobs', page(blob('a')).slice(0, -60), /not a whole listing/],
    ['that ends after its blobs', page(blob('a')).slice(0, -3), /not a whole listing/],
    ['with a blob that does not end', page(blob('a').slice(0, -7)), /a blob without an end/],
    ['whose last blob ends with the page', page(blob('a')).replace('</Blobs>', ''), /not a whole listing/],
    ['with a blob that is endless', page(blob('a'.repeat(300_000))).slice(0, 290_000), /not a whole listing/],
    ['of something else', '<Error><Code>None</Code></Error>', /not a whole listing/],
    ['of very much else', ' '.repeat(1_000_000), /not a whole listing/],
  ];
  for (const [what, xml, reason] of unfit) {
    it(`is refused ${what}, in whatever parts it comes`, () => {
      for (const step of [1_000, xml.length]) assert.throws(() => readListingPage(xml, step), reason);
    });
  }

  it('may be empty', () => {
    assert.deepEqual(
      readListingPage(
        '<?xml version="1.0"?>\n<EnumerationResults>\n<Blobs />\n<NextMarker>x&amp;y</NextMarker></EnumerationResults>',
      ),
      { items: [], next: 'x&y' },
    );
  });
});
