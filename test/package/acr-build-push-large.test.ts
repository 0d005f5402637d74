import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import { runStep } from '../support/extension';
import { PeakMemory } from '../support/peak-memory';
import { type SinkRegistry, startSinkRegistry } from '../support/sink-registry';
import { skip } from '../support/skip';

/*
 * Models of any size, in the memory of a small container: half a gigabyte here, and 1, 2, 4, 8 and 20 of them by
 * `npm run test:large`. They are sparse, and the registry keeps nothing, so that they take time and no disk.
 */

const GIBIBYTE = 1024 ** 3;
const SIZES = (process.env.MODEL_GIGABYTES ?? '0.5').split(' ').map(Number);

/** The most that the step's process may hold at once. */
const MEMORY = 300 * 1024 * 1024;

/** Bytes of the provenance and the bill of materials, which say the files' checksums and none of their bytes. */
const MOST_ATTACHED = 100_000;

/** An engine keeps such a model several times on its disk. */
const LARGEST_FOR_ENGINE = 2;

/** Minutes per gigabyte, on a slow machine. */
const PATIENCE = 120_000;

describe('AcrBuildPush with a large model, packed,', function () {
  this.timeout(60_000 + PATIENCE * Math.max(...SIZES));
  const folder = mkdtempSync(join(tmpdir(), 'acr-large-'));
  const memory = new PeakMemory(join(folder, 'memory'));
  let registry: SinkRegistry;

  before(() => {
    writeFileSync(join(folder, '.dockerignore'), 'memory\n');
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY model.bin /m/\n');
  });
  beforeEach(async () => {
    registry = await startSinkRegistry();
    memory.forget();
  });
  afterEach(() => registry.stop());
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function push(gigabytes: number, inputs: Record<string, string>) {
    writeFileSync(join(folder, 'model.bin'), '');
    truncateSync(join(folder, 'model.bin'), gigabytes * GIBIBYTE);
    const step = await runStep(
      'AcrBuildPush',
      {
        acrName: 'myregistry',
        acrPassword: 'pa55-word',
        loginServer: registry.host,
        repository: 'large',
        tags: '1.0.0',
        dockerfile: 'Dockerfile',
        ...inputs,
      },
      {
        sources: folder,
        environment: {
          ...(inputs.builder === 'docker' ? {} : { PATH: '/nowhere' }),
          ...memory.environment,
        },
      },
    );
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    const peak = memory.read() ?? 0;
    assert.ok(peak > 0 && peak < MEMORY, `the step held ${Math.round(peak / 1024 ** 2)} MiB`);
    return step;
  }

  it('is measured without what the process holds that starts the step', () => {
    const held = Buffer.alloc(MEMORY, 1);
    const env = { ...process.env, ...memory.environment };
    assert.equal(spawnSync(process.execPath, ['--eval', ''], { env }).status, 0);
    assert.ok(memory.read()! < held.length / 2, `an empty script held ${memory.read()} bytes`);
  });

  for (const gigabytes of SIZES) {
    for (const compression of ['auto', 'gzip', 'none']) {
      it(`stores ${gigabytes} GB by compression ${compression}`, async () => {
        const { outputVariables } = await push(gigabytes, { builder: 'direct', compression });
        const sizes = [...registry.blobs.values()].reduce((sum, size) => sum + size, 0);
        const attached = sizes - Number(outputVariables.imageSizeBytes);
        assert.ok(attached >= 0 && attached < MOST_ATTACHED, `${attached} bytes beside the image's own`);
        if (compression === 'none') assert.ok(sizes > gigabytes * GIBIBYTE);
      });

      // What becomes of them by 'auto' depends on the line, so that nobody knows where the end is.
      if (compression === 'auto') continue;
      it(`goes on near the end of ${gigabytes} GB by compression ${compression}`, async () => {
        // By gzip, zeros shrink to 0.44 %.
        registry.breakAt(gigabytes * GIBIBYTE * (compression === 'none' ? 0.999 : 0.0044));
        const step = await push(gigabytes, { builder: 'direct', compression });
        assert.match(step.log.join('\n'), /broke off/);
      });
    }

    it(`has docker build ${gigabytes} GB, and stores them by compression auto`, async function () {
      const engine = await findEngine();
      if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
      if (gigabytes > LARGEST_FOR_ENGINE) skip(this, 'an engine would take several times that of disk');
      await push(gigabytes, { builder: 'docker', compression: 'auto' });
    });
  }
});
