import assert from 'node:assert/strict';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault } from '../../../../local/databricks/server';
import { asRead, FILES, MODEL, useCatalog } from './story';

describe('a download from Unity Catalog that meets', () => {
  const story = useCatalog();

  async function refusal(inputs: Record<string, string> = {}): Promise<string> {
    let message = '';
    await story.download(inputs).then(
      () => assert.fail('The step succeeded.'),
      (error: Error) => {
        assert.equal(error.name, 'TaskError', error.stack);
        message = error.message;
      },
    );
    await assert.rejects(access(story.destination));
    return message;
  }

  const unfit: [what: string, inputs: Record<string, string>, message: RegExp][] = [
    [
      'a version that does not exist',
      { modelVersion: '7' },
      /has no version 7\. Check 'modelVersion': its versions are 1\./,
    ],
    ['an alias that does not exist', { modelVersion: '@prod' }, /has no alias 'prod'.*its versions are 1\./],
    [
      'a model that does not exist',
      { modelName: 'main.ml.other' },
      /There is no model 'main\.ml\.other' in Unity Catalog.*EXECUTE on model 'main\.ml\.other'.*USE SCHEMA on 'main\.ml'.*USE CATALOG on 'main'/,
    ],
    ['a token that is wrong', { databricksToken: 'dapi0' }, /does not accept the token.*'databricksToken'/],
  ];
  for (const [what, inputs, message] of unfit) {
    it(what, async () => assert.match(await refusal(inputs), message));
  }

  const mistakes: [what: string, inputs: Record<string, string>, message: RegExp][] = [
    ['no token', { databricksToken: '' }, /'databricksToken' is missing/],
    [
      'a registry of another kind',
      { authType: 'sasToken' },
      /'authType' is 'sasToken', but must be one of: token/,
    ],
    ['a folder for a model', { pathPrefix: 'live' }, /'pathPrefix' is for folders/],
    ['checksums that it has not', { verify: 'CRC64' }, /'verify' is crc64/],
    ['an address without encryption', { databricksHost: 'http://a.azuredatabricks.net' }, /unencrypted/],
    [
      'a container',
      { registryType: 'blob', storageAccount: 'a' },
      /'modelName' is 'main\.ml\.titanic'.*set 'registryType' to unityCatalog/,
    ],
  ];
  for (const [what, inputs, message] of mistakes) {
    it(`inputs with ${what}`, () => {
      assert.throws(() => story.download(inputs), message);
    });
  }

  it('a version that is still being registered, and waits for it', async () => {
    const version = story.workspace.catalog.register(MODEL, FILES, { status: 'PENDING_REGISTRATION' });
    let looks = 0;
    story.workspace.intercept(({ path }) => {
      if (/versions\/2$/.test(path) && ++looks === 3) version.status = 'READY';
      return undefined;
    });
    await story.download({ modelVersion: '2' });
    assert.deepEqual(await story.modelFiles(), asRead(FILES));
    assert.ok(story.waits.length >= 2);
  });

  it('a version whose registration never ends', async () => {
    story.workspace.catalog.register(MODEL, FILES, { status: 'PENDING_REGISTRATION' });
    assert.match(await refusal({ modelVersion: '2' }), /still being registered/);
    assert.ok(story.waits.reduce((sum, wait) => sum + wait, 0) <= 150_000);
  });

  it('a version that was never registered to its end', async () => {
    story.workspace.catalog.register(MODEL, FILES, { status: 'FAILED_REGISTRATION', aliases: ['new'] });
    assert.match(await refusal({ modelVersion: '@new' }), /FAILED_REGISTRATION/);
  });

  it('such versions above the newest that is ready', async () => {
    story.workspace.catalog.register(MODEL, FILES, { status: 'FAILED_REGISTRATION' });
    story.workspace.catalog.register(MODEL, FILES, { status: 'PENDING_REGISTRATION' });
    await story.download({ modelVersion: 'latest' });
    assert.equal(story.step.outputs.modelVersion, '1');
    assert.match(story.step.text, /Passed over.*3 \(PENDING_REGISTRATION\), 2 \(FAILED_REGISTRATION\)/);
  });

  it('a version without files', async () => {
    story.workspace.catalog.register(MODEL, {});
    assert.match(await refusal({ modelVersion: '2' }), /is registered, but holds no files/);
  });

  it('a version that lacks a required file', async () => {
    assert.match(await refusal({ requiredFiles: 'lookup.pkl' }), /not complete: it lacks 'lookup\.pkl'/);
  });

  it('a workspace that may not be read', async () => {
    const body = {
      error_code: 'PERMISSION_DENIED',
      message: "User does not have EXECUTE on Routine or Model 'x'.",
    };
    story.workspace.intercept(({ path }) =>
      /unity-catalog/.test(path) ? { answer: { status: 403, body } } : undefined,
    );
    assert.match(await refusal(), /PERMISSION_DENIED.*give that user EXECUTE on model 'main\.ml\.titanic'/);
  });

  it('a workspace that knows the model and no Files API', async () => {
    const body = { error_code: 'ENDPOINT_NOT_FOUND', message: 'No API found' };
    story.workspace.intercept(({ path }) =>
      /\/fs\//.test(path) ? { answer: { status: 404, body } } : undefined,
    );
    assert.match(await refusal(), /does not know the Files API/);
  });

  it('a page for people in place of the API', async () => {
    const page = { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<html>Sign in</html>' };
    story.workspace.intercept(() => ({ answer: page }));
    assert.match(await refusal(), /A web page answered in place of Databricks/);
  });

  const useless: [what: string, path: RegExp, body: NonNullable<Fault['answer']>['body'], reason: RegExp][] =
    [
      ['a version', /versions\/1$/, '{"version": ', /the answer is not JSON/],
      ['a version', /versions\/1$/, { other: 1 }, /the answer is not a version of a model/],
      ['a folder', /directories/, { contents: 'none' }, /the answer is not a listing/],
      [
        'a file',
        /fs\/files/,
        'more than the file',
        /the answer is not the part that was asked for \(HTTP 200\)/,
      ],
    ];
  for (const [what, path, body, reason] of useless) {
    it(`an answer in place of ${what} that is of no use: ${reason.source}`, async () => {
      story.workspace.givesLinks = false;
      story.workspace.intercept((request) =>
        path.test(request.path) ? { answer: { status: 200, body } } : undefined,
      );
      const message = await refusal();
      assert.match(message, /^No usable answer from 127\.0\.0\.1:\d+: /);
      assert.match(message, reason);
      assert.match(message, /The host is that of input 'databricksHost'/);
    });
  }

  it('folders that lead elsewhere', async () => {
    const listing = { contents: [{ path: '/Models/main/ml/titanic/1/../../secret', is_directory: true }] };
    story.workspace.intercept(({ path }) =>
      /directories/.test(path) ? { answer: { status: 200, body: listing } } : undefined,
    );
    assert.match(await refusal(), /where it can't be/);
  });

  it('a file that is replaced while it is read, once', async () => {
    story.workspace.givesLinks = false;
    let isDone = false;
    story.workspace.intercept(({ path }) => {
      if (isDone || !/fs\/files/.test(path)) return undefined;
      isDone = true;
      const { files } = story.workspace.catalog;
      const [place, file] = [...files].find(([name]) => name.endsWith('MLmodel'))!;
      files.set(place, {
        content: Buffer.from('new'),
        etag: 'new',
        lastModified: file.lastModified + 60_000,
      });
      return undefined;
    });
    await story.download();
    assert.equal((await story.modelFiles()).MLmodel, 'new');
    assert.match(story.step.text, /starts over/);
  });

  it('a file that is gone while the others are read', async () => {
    let isDone = false;
    story.workspace.intercept(({ path }) => {
      if (isDone || !/create-download-url/.test(path)) return undefined;
      isDone = true;
      const { files } = story.workspace.catalog;
      files.delete([...files.keys()].find((name) => name.endsWith('MLmodel'))!);
      return undefined;
    });
    assert.match(await refusal(), /'MLmodel' of version '1' went away/);
  });

  const passing: [what: string, fault: () => Fault][] = [
    ['a cut connection', () => ({})],
    ['too many requests', () => ({ answer: { status: 429, headers: { 'Retry-After': '0' } } })],
    ['a bad gateway', () => ({ answer: { status: 502, body: '<html>Bad Gateway</html>' } })],
    ['an answer without an end', () => ({ answer: { status: 200, body: '{"contents": [' } })],
    [
      'a token that is refused once',
      () => ({ answer: { status: 401, body: { error_code: 401, message: 'no' } } }),
    ],
  ];
  for (const [what, fault] of passing) {
    for (const givesLinks of [true, false]) {
      it(`${what}, once at each address${givesLinks ? '' : ', through the workspace'}`, async () => {
        story.workspace.givesLinks = givesLinks;
        const seen = new Set<string>();
        story.workspace.intercept(({ method, path }) => {
          // Nobody who was never let in is let in again.
          if (seen.size === 0 && what.includes('refused')) seen.add(`${method} ${path}`);
          const isFirst = !seen.has(`${method} ${path}`);
          seen.add(`${method} ${path}`);
          return isFirst ? fault() : undefined;
        });
        await story.download();
        assert.deepEqual(await story.modelFiles(), asRead(FILES));
      });
    }
  }

  describe('storage that does not give one of the files, though it gives others,', () => {
    let gate: Server;
    let status: number;
    let type: string;

    beforeEach(async () => {
      type = 'text/plain';
      gate = createServer(async ({ url = '', headers }, response) => {
        if (url.includes('/MLmodel')) return response.writeHead(status, { 'Content-Type': type }).end('page');
        const range = String(headers.range);
        const answer = await fetch(`${story.workspace.storage.url}${url}`, { headers: { range } });
        response
          .writeHead(answer.status, Object.fromEntries(answer.headers))
          .end(Buffer.from(await answer.arrayBuffer()));
      }).listen(0, '127.0.0.1');
      await once(gate, 'listening');
      story.workspace.storage.publicUrl = `http://127.0.0.1:${(gate.address() as AddressInfo).port}`;
    });
    afterEach(() => {
      gate.close();
      gate.closeAllConnections();
    });

    for (const one of [308, 400, 405, 409, 501]) {
      it(`with HTTP ${one}, and reads through the workspace`, async () => {
        status = one;
        await story.download();
        assert.deepEqual(await story.modelFiles(), asRead(FILES));
        assert.match(story.step.text, new RegExp(`does not give them \\(HTTP ${one}\\)`));
      });
    }

    it('but a page of a proxy, and reads through the workspace', async () => {
      status = 200;
      type = 'text/html';
      await story.download();
      assert.deepEqual(await story.modelFiles(), asRead(FILES));
      assert.match(story.step.text, /through the workspace: a web page answers in place of 127\.0\.0\.1/);
    });

    it('for as long as there is patience', async () => {
      status = 503;
      assert.match(await refusal(), /The cloud's storage, .* answered HTTP 503/);
    });
  });

  it('a folder that is gone, though it was listed', async () => {
    const body = { error_code: 'NOT_FOUND', message: 'The directory does not exist.' };
    story.workspace.intercept(({ path }) =>
      /directories.*\/code$/.test(path) ? { answer: { status: 404, body } } : undefined,
    );
    assert.match(
      await refusal(),
      /Folder '\/Models\/main\/ml\/titanic\/1\/code' is gone, though it was listed/,
    );
  });

  it('a folder that is said to be empty, and tells of it', async () => {
    story.workspace.intercept(({ path }) =>
      /directories.*\/code$/.test(path) ? { answer: { status: 200, body: {} } } : undefined,
    );
    await story.download();
    assert.match(story.step.text, /folder '\/Models\/main\/ml\/titanic\/1\/code\/' holds nothing/);
  });
});
