import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { startLocalAzure } from '../../local/azure/azure';
import { run } from '../../local/processes';
import { preparePython } from '../../local/python';
import { root } from '../../scripts/paths';
import { startWorld } from '../support/set-up-world';
import { serveToyApi } from '../support/toy-model-api';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe("Azure's own command line", function () {
  this.timeout(1_800_000);
  let python: string;
  let folder: string;

  before(async () => {
    ({ python } = await preparePython({
      folder: join(root, '.local/azure-cli'),
      requirements: [join(root, 'test/cli/requirements.txt')],
      log: console.log,
    }));
    folder = mkdtempSync(join(tmpdir(), 'az-'));
  });

  after(() => {
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** What the parser complains of. */
  async function complaintsOf(lines: readonly (readonly string[])[]): Promise<[string, string][]> {
    const file = join(folder, 'lines.json');
    writeFileSync(file, JSON.stringify(lines));
    const env = { ...process.env, AZURE_CONFIG_DIR: join(folder, 'config') };
    const { exitCode, output } = await run(python, [join(root, 'test/cli/parse.py'), file], { env });
    assert.equal(exitCode, 0, output);
    return JSON.parse(output.trim().split('\n').at(-1)!);
  }

  it('knows every command of the documentation', async () => {
    const lines = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) => commandsOf(readFileSync(join(root, page), 'utf8')));
    assert.ok(lines.length >= 5, 'docs/set-up.md has some');
    assert.deepEqual(await complaintsOf(lines), []);
  });

  it('knows every command that the deployments give', async () => {
    const given = await commandsGiven(folder);
    for (const words of [
      'containerapp create',
      'containerapp update',
      'ingress traffic set',
      'container create',
    ]) {
      assert.ok(
        given.some((line) => line.join(' ').includes(words)),
        words,
      );
    }
    assert.deepEqual(await complaintsOf(given), []);
  });

  it('knows every command that set-up gives', async () => {
    const world = await startWorld({ outputs: { vaultName: 'models-vault' } });
    try {
      for (const options of [['--apply'], ['--remove', '--apply']]) {
        const { exitCode, output } = await world.setUp(...options);
        assert.equal(exitCode, 0, output);
      }
      const given = world.account.commands;
      for (const words of ['federated-credential create', 'role assignment delete', 'get-access-token']) {
        assert.ok(
          given.some((line) => line.join(' ').includes(words)),
          words,
        );
      }
      assert.deepEqual(await complaintsOf(given), []);
    } finally {
      await world.stop();
    }
  });

  it('finds what it does not know', async () => {
    const [[line] = []] = await complaintsOf([
      ['group', 'create', '--name', 'models', '--location', 'westeurope'],
      ['group', 'create', '--name', 'models', '--lokation', 'westeurope'],
    ]);
    assert.match(line!, /--lokation/);
  });
});

/** The commands of a page's shell blocks, as lists of words. */
function commandsOf(page: string): string[][] {
  return [...page.matchAll(/^( *)```sh\n([\s\S]*?)^ *```/gm)]
    .flatMap(([, indent, block]) => block!.replaceAll(new RegExp(`^${indent}`, 'gm'), '').split('\n'))
    .filter((line) => line.startsWith('az '))
    .map((line) =>
      [...line.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', '')).slice(1),
    );
}

/** Deploys to stand-ins, twice and once by a tag, and notes what was asked of `az`. */
async function commandsGiven(folder: string): Promise<string[][]> {
  const runner = { start: () => serveToyApi({ modelDigest: DIGEST }) };
  const azure = await startLocalAzure({ runner, digestOf: async () => DIGEST });
  try {
    const log = join(folder, 'given');
    const recorder = `#!/usr/bin/env bash
printf '%s\\0' "$@" $'\\n' >>'${log}'
exec '${join(azure.folder, 'az')}' "$@"
`;
    writeFileSync(join(folder, 'az'), recorder);
    chmodSync(join(folder, 'az'), 0o755);
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` };
    const deploy = async (script: string, image: string, ...args: string[]) => {
      const target = ['--name', 'lamp', '--resource-group', 'models', '--identity', 'an-identity'];
      const all = [
        join(root, 'deploy', script),
        ...target,
        '--image',
        `example.azurecr.io/lamp${image}`,
        ...args,
      ];
      const { exitCode, output } = await run('python3', all, { env });
      assert.equal(exitCode, 0, output);
    };
    for (const suffix of ['b1', 'b2', 'b3']) {
      await deploy('on_container_apps.py', ':1.0.0', '--environment', 'models', '--suffix', suffix);
    }
    await deploy('on_container_instance.py', `@${DIGEST}`, '--location', 'westeurope');
    const lines = readFileSync(log, 'utf8').split('\n\0').filter(Boolean);
    return lines.map((line) => line.split('\0').filter(Boolean));
  } finally {
    await azure.stop();
  }
}
