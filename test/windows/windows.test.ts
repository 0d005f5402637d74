import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { BlobServer } from '../support/blob-server';
import { errorsOf, runStep } from '../support/extension';
import { skip } from '../support/skip';
import { setUpWindows, type WindowsTier } from './set-up';

/*
 * What holds on Windows alone, under Node for Windows by Wine. `npm run test:windows` runs the tests of the packed tasks
 * there as well.
 */
describe('on Windows', function () {
  this.timeout(300_000);
  let tier: WindowsTier;
  let folder: string;

  before(async function () {
    const found = await setUpWindows();
    if ('missing' in found) skip(this, found.missing);
    tier = found;
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'windows-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('AcrBuildPush', () => {
    let registry: Registry;

    beforeEach(async () => {
      registry = await startRegistry({
        folder: mkdtempSync(join(tmpdir(), 'windows-registry-')),
        username: 'myregistry',
        password: 'pa55-word',
      });
    });
    afterEach(() => registry.stop());

    const build = (tag: string, nodeProgram?: string) =>
      runStep(
        'AcrBuildPush',
        {
          ...{ loginServer: registry.loginServer, acrUsername: 'myregistry', acrPassword: 'pa55-word' },
          ...{
            repository: 'api',
            tags: tag,
            dockerfile: join(folder, 'Dockerfile'),

            compression: 'none',
          },
        },
        nodeProgram ? { nodeProgram } : {},
      );

    it('makes the layers that it makes of the same commit and model on Linux', async () => {
      mkdirSync(join(folder, 'src/deep'), { recursive: true });
      for (const name of ['src/serve.py', 'src/deep/f.txt', 'src/run.sh'])
        writeFileSync(join(folder, name), name);
      chmodSync(join(folder, 'src/run.sh'), 0o755);
      writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY src /app\nCOPY model /model\n');
      execFileSync('git', ['init', '--quiet'], { cwd: folder });
      execFileSync('git', ['add', '.'], { cwd: folder });
      mkdirSync(join(folder, 'model'));
      writeFileSync(join(folder, 'model/model.pkl'), 'model');
      writeFileSync(join(folder, 'model/model-manifest.json'), '{"files":[{"path":"model.pkl"}]}');

      const layers: Record<string, string[]> = {};
      for (const [tag, node] of [['windows', tier.node] as const, ['linux', undefined] as const]) {
        const step = await build(tag, node);
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        assert.equal(step.outputVariables.builder, 'direct');
        const authorization = `Basic ${Buffer.from('myregistry:pa55-word').toString('base64')}`;
        const answer = await fetch(`http://${registry.loginServer}/v2/api/manifests/${tag}`, {
          headers: { authorization, accept: 'application/vnd.oci.image.manifest.v1+json' },
        });
        const manifest = (await answer.json()) as { layers: { digest: string }[] };
        layers[tag] = manifest.layers.map(({ digest }) => digest);
      }
      assert.deepEqual(layers.windows, layers.linux);
    });
  });

  describe('ModelRegistryDownload', () => {
    let server: BlobServer;

    beforeEach(async () => {
      server = await BlobServer.start();
      for (const version of ['1.0.0', '2.0.0']) {
        server.put('titanic', `${version}/model.pkl`, Buffer.from(version));
      }
    });
    afterEach(() => server.stop());

    const download = (destinationFolder: string, modelVersion = '1.0.0') =>
      runStep(
        'ModelRegistryDownload',
        {
          ...{ storageAccount: server.account, storageKey: server.key, blobEndpoint: server.endpoint },
          ...{ modelName: 'titanic', modelVersion, destinationFolder },
        },
        { nodeProgram: tier.node },
      );

    it('gets past somebody who holds the folder for a moment', async () => {
      const destination = join(folder, 'model');
      const first = await download(destination);
      assert.equal(first.result, 'Succeeded', first.log.join('\n'));
      const holder = tier.wine('hold.exe', `Z:${destination.replaceAll('/', '\\')}`, '300', '100', '1000');
      try {
        const second = await download(destination, '2.0.0');
        assert.equal(second.result, 'Succeeded', second.log.join('\n'));
        assert.equal(readFileSync(join(destination, 'model.pkl'), 'utf8'), '2.0.0');
      } finally {
        holder.kill('SIGKILL');
      }
    });

    for (const destination of ['NUL', 'con', 'model.', 'a:b', 'm?x', '\\\\?\\C:\\', '\\\\.\\C:\\windows']) {
      it(`refuses '${destination}' as a destination, and names the input`, async () => {
        const step = await download(destination);
        assert.equal(step.result, 'Failed', step.log.join('\n'));
        assert.match(errorsOf(step), /destinationFolder/);
      });
    }
  });
});
