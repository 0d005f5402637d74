import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { runPipeline } from '../../local/agent/agent';
import { makeRuntimeImage } from '../../local/engine/base-image';
import { run } from '../../local/processes';
import { type Stack, startStack } from '../../local/stack';
import { root, vsixFile } from '../../scripts/paths';
import { examplePython } from '../support/python';
import { skip, skipWithout } from '../support/skip';
import { find, objectsOf, render } from './render';

/** Without these, podman sets limits that a container may not raise. */
const CONTAINERS = `[containers]
default_ulimits = ["nofile=1000:1000", "nproc=4000:4000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
`;

describe('what the chart renders', function () {
  this.timeout(600_000);
  let folder: string;
  let stack: Stack;
  let image: string;
  let modelDigest: string;

  before(async function () {
    for (const program of ['podman', 'catatonit']) skipWithout(this, program);
    if (process.getuid?.() !== 0) skip(this, 'podman publishes a port as root only');
    folder = mkdtempSync(join(tmpdir(), 'kube-play-'));
    writeFileSync(join(folder, 'containers.conf'), CONTAINERS);
    const { python } = await examplePython();
    stack = await startStack({
      sources: root,
      python,
      registryFolder: join(folder, 'registry'),
      version: '1.0.0',
    });
    const runtime = await makeRuntimeImage({
      python,
      registry: stack.registry,
      cacheFolder: join(folder, 'cache'),
      log: () => {},
    });
    Object.assign(stack.variableGroups['shared-variables']!, { 'runtime-image': runtime });
    const options = {
      vsix: vsixFile,
      sources: root,
      workFolder: join(folder, 'agent'),
      variableGroups: stack.variableGroups,
    };
    await runPipeline('pipelines/train-titanic-model.yaml', options);
    const building = await runPipeline('pipelines/build-titanic-image.yaml', options);
    assert.equal(building.result, 'Succeeded');
    const outputs = building.jobs[0]!.outputVariables;
    image = outputs['image.imageRefByDigest']!;
    modelDigest = outputs['download.modelDigest']!;
  });

  after(async () => {
    await stack?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  async function podman(...args: string[]): Promise<string> {
    const storage = [
      '--root',
      join(folder, 'root'),
      '--runroot',
      join(folder, 'runroot'),
      '--storage-driver',
      'vfs',
    ];
    const env = { ...process.env, CONTAINERS_CONF: join(folder, 'containers.conf') };
    const { exitCode, output } = await run('podman', [...storage, ...args], { env });
    if (exitCode !== 0) throw new Error(`podman ${args[0]}: ${output}`);
    return output.trim();
  }

  it('runs without rights and predicts', async () => {
    const { username, password } = stack.registry;
    await podman('pull', '--quiet', '--tls-verify=false', `--creds=${username}:${password}`, image);
    const [repository, digest] = image.split('@');
    const rendered = await render({
      'image.repository': repository!,
      'image.digest': digest!,
      modelDigest,
      'autoscaling.enabled': 'false',
      replicas: '1',
    });
    const deployment = find(objectsOf(rendered), 'Deployment');
    // There are no Services here: the port of the container is one of this machine.
    const port = await freePort();
    const [container] = deployment.spec.template.spec.containers;
    container.ports[0].hostPort = port;
    container.ports[0].hostIP = '127.0.0.1';
    const file = join(folder, 'deployment.yaml');
    writeFileSync(file, stringify(deployment));
    await podman('kube', 'play', file);
    try {
      const tested = await run('python3', [
        join(root, 'model-api/src/smoke_test.py'),
        `http://127.0.0.1:${port}`,
        '--model-digest',
        modelDigest,
        '--question',
        '{"class": "1st", "sex": "female", "age": "adult"}',
        '--expect',
        'survived',
      ]);
      assert.equal(tested.exitCode, 0, tested.output);
      const names = (await podman('ps', '--format', '{{.Names}}')).split('\n');
      const name = names.find((one) => one.endsWith('-api'))!;
      assert.equal(await podman('exec', name, 'python3', '-c', 'import os; print(os.getuid())'), '10001');
      await assert.rejects(
        podman('exec', name, 'python3', '-c', 'open("/app/planted", "w")'),
        /Read-only file system/,
      );
    } finally {
      await podman('kube', 'play', '--down', file);
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
