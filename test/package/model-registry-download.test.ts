import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { type Entra, startEntra } from '../../local/entra/entra';
import { vsixFile } from '../../scripts/paths';
import { BlobServer } from '../support/blob-server';
import { errorsOf, nodeVersions, runStep, type StepOptions } from '../support/extension';

describe('ModelRegistryDownload, packed,', () => {
  let server: BlobServer;
  let sources: string;

  before(async () => {
    server = await BlobServer.start();
  });

  after(() => server.stop());

  beforeEach(() => {
    sources = mkdtempSync(join(tmpdir(), 'download-'));
    server.fault = () => undefined;
    server.put('titanic', '1.0.0/model.pkl', Buffer.alloc(100_000, 'm'));
    server.put('titanic', '1.0.0/metadata.json', '{"metrics":{"accuracy":0.79}}');
  });

  afterEach(() => rmSync(sources, { recursive: true }));

  /** The step sees the same folder from one call to the next: the sources are not copied anew. */
  const run = (inputs: Record<string, string> = {}, options: StepOptions = {}) =>
    runStep(
      'ModelRegistryDownload',
      {
        storageAccount: server.account,
        storageKey: '$(storage-key)',
        blobEndpoint: server.endpoint,
        modelName: 'titanic',
        modelVersion: '1.0.0',
        destinationFolder: join(sources, 'pickles'),
        ...inputs,
      },
      { variableGroups: { secrets: { 'storage-key': { value: server.key, isSecret: true } } }, ...options },
    );

  for (const nodeVersion of nodeVersions) {
    it(`downloads a model with its manifest under Node ${nodeVersion}`, async () => {
      const step = await run({}, { nodeVersion });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.match(step.nodeVersion!, new RegExp(`^${nodeVersion}\\.`));
      assert.deepEqual(readdirSync(join(sources, 'pickles')).sort(), [
        'metadata.json',
        'model-manifest.json',
        'model.pkl',
      ]);
      assert.equal(readFileSync(join(sources, 'pickles/model.pkl')).length, 100_000);
      assert.equal(step.outputVariables.fileCount, '2');
      assert.equal(step.outputVariables.manifestPath, join(sources, 'pickles/model-manifest.json'));
      const manifest = JSON.parse(readFileSync(step.outputVariables.manifestPath!, 'utf8'));
      assert.equal(manifest.version, '1.0.0');
      assert.match(step.outputVariables.modelDigest!, /^sha256:[0-9a-f]{64}$/);
    });
  }

  it('transfers nothing when nothing changed', async () => {
    await run();
    const before = server.reads.length;
    const step = await run();
    assert.equal(step.result, 'Succeeded');
    assert.equal(step.outputVariables.downloadedBytes, '0');
    assert.equal(server.reads.length, before);
  });

  it('leaves the old model whole when the new one turns out to be damaged', async () => {
    await run();
    server.put('titanic', '2.0.0/model.pkl', 'new');
    server.put('titanic', '2.0.0/metadata.json', '{}');
    server.fault = ({ kind, blob }) =>
      kind === 'read' && blob.endsWith('.pkl') ? { flipByte: 0 } : undefined;
    const step = await run({ modelVersion: '2.0.0' });
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /model\.pkl/);
    assert.equal(
      JSON.parse(readFileSync(join(sources, 'pickles/model-manifest.json'), 'utf8')).version,
      '1.0.0',
    );
    assert.equal(readFileSync(join(sources, 'pickles/model.pkl')).length, 100_000);
  });

  it('leaves the old model whole when it is cancelled', async () => {
    await run();
    server.put('titanic', '2.0.0/model.pkl', Buffer.alloc(1_000_000));
    server.put('titanic', '2.0.0/metadata.json', '{}');
    const cancel = new AbortController();
    server.fault = ({ kind }) =>
      kind === 'read' ? { stallAfter: 10, onStall: () => cancel.abort() } : undefined;
    const step = await run({ modelVersion: '2.0.0' }, { signal: cancel.signal });
    assert.equal(step.result, 'Canceled');
    assert.deepEqual(readdirSync(join(sources, 'pickles')).sort(), [
      'metadata.json',
      'model-manifest.json',
      'model.pkl',
    ]);
  });

  it('keeps the key out of everything it leaves behind', async () => {
    const step = await run({}, { variables: { 'system.debug': 'true' } });
    assert.ok(step.log.some((line) => line.startsWith('##[debug]')));
    assert.ok(!JSON.stringify(step).includes(server.key));
    assert.ok(!readFileSync(step.outputVariables.manifestPath!, 'utf8').includes(server.key));
  });

  describe('signed in with a service connection', () => {
    const TENANT = '72f988bf-0000-4000-8000-2d7cd011db47';
    const CLIENT = 'c3b7a1f2-0000-4000-8000-9a1f5e3d7b11';
    const SECRET = 'the~secret~of~the~connection';
    let entra: Entra;

    afterEach(() => entra.stop());

    /** A login server, and a Blob service that takes its tokens alone. */
    async function runWith(scheme: 'ServicePrincipal' | 'WorkloadIdentityFederation', options = {}) {
      const connection = { id: '8a1c6bb0-5a3f-4a5e-9b0e-d0c7f0f5a111', name: 'azure-demo' };
      const federatedCredentials = [
        {
          issuer: 'https://vstoken.dev.azure.com/d0a3bd55-8a21-4b3a-93c7-2c1d32b4a6f1',
          subject: 'sc://demo/local/azure-demo',
        },
      ];
      entra = await startEntra({
        tenantId: TENANT,
        applications: [{ clientId: CLIENT, secret: SECRET, federatedCredentials }],
        accessToken: 'job-token',
        serviceConnections: [connection],
        ...options,
      });
      const isGood = (authorization = '') =>
        entra.accessTokenClaims(authorization.replace('Bearer ', ''))?.aud === 'https://storage.azure.com';
      server.fault = ({ authorization }) =>
        isGood(authorization) ? undefined : { status: 401, code: 'InvalidAuthenticationInfo' };
      server.requests.length = 0;
      return run(
        { authType: 'azureServiceConnection', storageKey: '', azureServiceConnection: connection.name },
        {
          accessToken: 'job-token',
          collectionUri: entra.collectionUri,
          serviceConnections: [
            {
              ...connection,
              type: 'azurerm',
              url: 'https://management.azure.com/',
              scheme,
              parameters: {
                tenantid: TENANT,
                serviceprincipalid: CLIENT,
                ...(scheme === 'ServicePrincipal' && {
                  authenticationtype: 'spnKey',
                  serviceprincipalkey: SECRET,
                }),
              },
              data: { environment: 'AzureCloud', environmentAuthorityUrl: entra.url },
            },
          ],
        },
      );
    }

    for (const scheme of ['ServicePrincipal', 'WorkloadIdentityFederation'] as const) {
      it(`by ${scheme}, downloads a model with one token, and shows neither token nor secret`, async () => {
        const step = await runWith(scheme);
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        const tokens = new Set(server.requests.map(({ authorization }) => authorization!.slice(7)));
        assert.equal(tokens.size, 1);
        for (const secret of [...tokens, SECRET]) assert.ok(!JSON.stringify(step).includes(secret));
      });
    }

    it('goes on with a new token when the first is about to end', async () => {
      const step = await runWith('WorkloadIdentityFederation', { tokenLifetime: 60_000 });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.ok(new Set(server.requests.map(({ authorization }) => authorization)).size > 1);
    });
  });

  const mistakes: [what: string, inputs: Record<string, string>, message: RegExp][] = [
    ['a version that is not there', { modelVersion: '1.0.1' }, /1\.0\.1[\s\S]*1\.0\.0/],
    ['a model that is not there', { modelName: 'titanik' }, /titanik/],
    ['a name that no container can have', { modelName: 'My_Model' }, /'modelName'/],
    ['a file that the version lacks', { requiredFiles: 'flags.pkl' }, /flags\.pkl/],
    ['a pattern that matches nothing', { patterns: '*.onnx' }, /\*\.onnx/],
    ['a variable that nobody defined', { modelVersion: '$(version)' }, /'modelVersion' holds \$\(version\)/],
    [
      'a signature that may not list',
      { authType: 'sasToken', sasToken: 'sr=c&sp=r&sig=x' },
      /'sasToken'.*List/,
    ],
    ['a destination that is left empty', { destinationFolder: '' }, /'destinationFolder'/],
  ];
  for (const [what, inputs, message] of mistakes) {
    it(`says plainly what is wrong with ${what}, and writes nothing`, async () => {
      const step = await run(inputs);
      assert.equal(step.result, 'Failed');
      assert.equal(step.exitCode, 0);
      assert.match(errorsOf(step), message);
      assert.ok(!existsSync(join(sources, 'pickles')));
    });
  }

  it('writes nothing outside the folder, whatever a blob is called', async () => {
    server.put('titanic', '3.0.0/../../../stolen.txt', 'x');
    mkdirSync(join(sources, 'pickles'));
    writeFileSync(join(sources, 'pickles/mine.txt'), 'mine');
    const before = server.reads.length;
    const step = await run({ modelVersion: '3.0.0' });
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /stolen\.txt/);
    assert.deepEqual(readdirSync(sources), ['pickles']);
    assert.deepEqual(readdirSync(join(sources, 'pickles')), ['mine.txt']);
    assert.equal(server.reads.length, before);
  });

  describe('that is killed', () => {
    const MIB = 1024 * 1024;
    const model = randomFillSync(Buffer.alloc(72 * MIB + 77));
    let task: string;

    before(() => {
      task = mkdtempSync(join(tmpdir(), 'task-'));
      const place = 'tasks/ModelRegistryDownload/';
      const files = unzipSync(readFileSync(vsixFile), { filter: ({ name }) => name.startsWith(place) });
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(task, name.slice(place.length)), content);
      }
      // Ends the process as soon as the old model was moved away.
      writeFileSync(
        join(task, 'die-in-swap.cjs'),
        `const files = require('node:fs/promises');
        const { rename } = files;
        const { basename } = require('node:path');
        // In a thread of the task, the inputs are gone from the environment.
        const model = basename(process.env.INPUT_DESTINATIONFOLDER ?? '');
        files.rename = async (from, to) => {
          await rename(from, to);
          if (basename(from) === model) process.kill(process.pid, 'SIGKILL');
        };`,
      );
    });

    after(() => rmSync(task, { recursive: true }));

    /** Runs the step as a process of its own, which may be killed. */
    async function start(version: string, environment: Record<string, string> = {}) {
      const child = spawn(process.execPath, [join(task, 'index.js')], {
        env: {
          ...process.env,
          INPUT_STORAGEACCOUNT: server.account,
          INPUT_STORAGEKEY: server.key,
          INPUT_BLOBENDPOINT: server.endpoint,
          INPUT_MODELNAME: 'forest',
          INPUT_MODELVERSION: version,
          INPUT_DESTINATIONFOLDER: join(sources, 'pickles'),
          INPUT_MAXCONCURRENCY: '1',
          AGENT_TEMPDIRECTORY: sources,
          ...environment,
        },
      });
      let output = '';
      child.stdout.on('data', (text) => {
        output += text;
      });
      const ended = once(child, 'close').then(() => output);
      return { ended, kill: () => child.kill('SIGKILL') };
    }

    const readsOf = (blob: string) => server.reads.filter((read) => read.blob === blob);

    it('goes on where it was', async () => {
      server.put('forest', '2.0.0/model.bin', model);
      server.put('forest', '2.0.0/metadata.json', '{}');
      let kill = () => {};
      server.fault = ({ kind, offset }) =>
        kind === 'read' && offset === 40 * MIB ? { stallAfter: 0, onStall: () => kill() } : undefined;
      const killed = await start('2.0.0');
      kill = () => void killed.kill();
      assert.doesNotMatch(await killed.ended, /task\.complete/);
      assert.ok(!existsSync(join(sources, 'pickles')), 'nothing is in the folder');

      server.fault = () => undefined;
      server.requests.length = 0;
      const output = await (await start('2.0.0')).ended;
      assert.match(output, /Going on from 41\.9 MB[\s\S]*result=Succeeded/);
      assert.deepEqual(
        readsOf('2.0.0/model.bin').map(({ offset }) => offset / MIB),
        [40, 48, 56, 64, 72],
      );
      assert.ok(model.equals(readFileSync(join(sources, 'pickles/model.bin'))));
      assert.deepEqual(
        readdirSync(sources).filter((name) => name.includes('pickles')),
        ['pickles'],
      );
    });

    it('in the middle of the swap leaves a model that the next step finds', async () => {
      server.put('forest', '1.0.0/model.pkl', 'the old model');
      server.put('forest', '1.0.0/metadata.json', '{}');
      assert.match(await (await start('1.0.0')).ended, /result=Succeeded/);
      server.put('forest', '2.0.0/model.pkl', 'the new model');
      server.put('forest', '2.0.0/metadata.json', '{}');
      const killed = await start('2.0.0', { NODE_OPTIONS: `--require ${join(task, 'die-in-swap.cjs')}` });
      assert.doesNotMatch(await killed.ended, /task\.complete/);

      // A step that fails at once: all it does is to put things right.
      server.requests.length = 0;
      server.fault = ({ kind }) =>
        kind === 'read' ? { status: 400, code: 'InvalidHeaderValue' } : undefined;
      server.put('forest', '3.0.0/model.pkl', 'x');
      server.put('forest', '3.0.0/metadata.json', '{}');
      assert.match(await (await start('3.0.0')).ended, /It is put back[\s\S]*result=Failed/);
      assert.equal(readFileSync(join(sources, 'pickles/model.pkl'), 'utf8'), 'the old model');

      server.fault = () => undefined;
      assert.match(await (await start('2.0.0')).ended, /result=Succeeded/);
      assert.equal(readFileSync(join(sources, 'pickles/model.pkl'), 'utf8'), 'the new model');
      assert.deepEqual(
        readdirSync(sources).filter((name) => name.includes('pickles')),
        ['pickles'],
      );
    });
  });
});
