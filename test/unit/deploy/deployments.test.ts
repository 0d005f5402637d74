import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LocalAzure, startLocalAzure } from '../../../local/azure/azure';
import { run } from '../../../local/processes';
import { root } from '../../../scripts/paths';
import { skip } from '../../support/skip';
import { serveToyApi, type ToyApi } from '../../support/toy-model-api';

const JUDGE = join(root, '..', 'shared', 'judges', 'arm');
const SUBSCRIPTION = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/models';
const IDENTITY = `${SUBSCRIPTION}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/models-serving`;

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const image = (digit: string) => `example.azurecr.io/lamp-model-api@${digest(digit)}`;

/** Each image by the digit that its digest is made of, and the model in it by the same. */
const BEHAVIORS: Record<string, ToyApi> = {
  a: { modelDigest: digest('a') },
  b: { modelDigest: digest('b') },
  c: { modelDigest: digest('c') },
  // Holds another model than it should.
  d: { modelDigest: digest('a') },
  e: { isBroken: true },
  // Well at its own address, and not any more when all questions go there.
  f: { modelDigest: digest('f'), readyTimes: 1 },
};

interface Answer {
  readonly exitCode: number | null;
  readonly output: string;
}

describe('the deployments', function () {
  this.timeout(120_000);
  let azure: LocalAzure;

  beforeEach(async () => {
    azure = await startLocalAzure({
      runner: {
        start: (name) => {
          const behavior = BEHAVIORS[name.at(-1)!];
          return behavior ? serveToyApi(behavior) : Promise.reject(new Error(`${name} can't be pulled.`));
        },
      },
      digestOf: async (name) => (name === 'lamp-model-api:1.0.0' ? digest('b') : undefined),
    });
  });

  afterEach(() => azure.stop());

  const environment = () => ({ ...process.env, PATH: `${azure.folder}${delimiter}${process.env.PATH}` });

  async function deploy(script: string, ref: string, args: readonly string[]): Promise<Answer> {
    const all = [
      join(root, 'deploy', script),
      '--name',
      'lamp',
      '--resource-group',
      'models',
      '--image',
      ref,
      ...args,
    ];
    return run('python3', all, { env: environment() });
  }

  async function az(...args: string[]) {
    const { exitCode, output } = await run(join(azure.folder, 'az'), [...args, '--resource-group', 'models']);
    assert.equal(exitCode, 0, output);
    return JSON.parse(output);
  }

  async function servedModel(host: string): Promise<unknown> {
    const answer = await fetch(`http://${host}/api/ready`);
    return ((await answer.json()) as ToyApi).modelDigest;
  }

  describe('to container apps', () => {
    const OPTIONS = ['--environment', 'models-environment', '--identity', IDENTITY];

    /** Deploys an image by its digit, as the build of that name, with the patience of a test. */
    const serve = (digit: string, patience = '20', ref = image(digit)) =>
      deploy('on_container_apps.py', ref, [
        ...OPTIONS,
        '--suffix',
        `b${digit}`,
        '--patience',
        patience,
        '--model-digest',
        digest(ref.at(-1) === '0' ? 'b' : digit),
      ]);

    /** Has an image serve from the beginning. */
    const begin = async (digit: string) => {
      const file = join(azure.folder, 'first.yaml');
      const template = { revisionSuffix: `b${digit}`, containers: [{ image: image(digit) }] };
      const ingress = { traffic: [{ latestRevision: true, weight: 100 }] };
      const configuration = { activeRevisionsMode: 'Multiple', ingress };
      writeFileSync(file, JSON.stringify({ location: 'local', properties: { configuration, template } }));
      await az('containerapp', 'create', '--name', 'lamp', '--yaml', file);
    };

    const served = async () => {
      const app = await az('containerapp', 'show', '--name', 'lamp');
      return servedModel(app.properties.configuration.ingress.fqdn);
    };
    const active = async () => {
      const revisions: { name: string }[] = await az('containerapp', 'revision', 'list', '--name', 'lamp');
      return revisions.map(({ name }) => name);
    };

    it('make the app where there is none, and move the traffic to the next revision', async () => {
      const first = await serve('a');
      assert.equal(first.exitCode, 0, first.output);
      assert.match(first.output, /serves lamp 1\.0\.0 .* answers .*'on'\.$/m);
      assert.equal(await served(), digest('a'));

      const second = await serve('b');
      assert.equal(second.exitCode, 0, second.output);
      assert.match(second.output, /lamp--ba goes on serving/);
      assert.equal(await served(), digest('b'));
      assert.deepEqual(await active(), ['lamp--ba', 'lamp--bb']);
      const app = await az('containerapp', 'show', '--name', 'lamp');
      const shares = app.properties.configuration.ingress.traffic;
      assert.deepEqual(
        shares.map(({ revisionName, weight }: { revisionName: string; weight: number }) => [
          revisionName,
          weight,
        ]),
        [
          ['lamp--ba', 0],
          ['lamp--bb', 100],
        ],
        'az keeps in the list who had traffic before',
      );

      const third = await serve('c');
      assert.equal(third.exitCode, 0, third.output);
      assert.deepEqual(await active(), ['lamp--bb', 'lamp--bc'], 'one stays for going back');
    });

    it('look up what a tag names', async () => {
      const { exitCode, output } = await serve('b', '20', 'example.azurecr.io/lamp-model-api:1.0.0');
      assert.equal(exitCode, 0, output);
      assert.match(output, new RegExp(`of ${image('b')}`));
      assert.match((await serve('b', '20', 'example.azurecr.io/lamp-model-api:9')).output, /was not found/);
      assert.match((await serve('b', '20', 'lamp')).output, /'lamp' is no image/);
    });

    for (const [digit, what, reason] of [
      [
        'd',
        'serves another model',
        new RegExp(`serves the model ${digest('a')}, but should serve ${digest('d')}`),
      ],
      ['e', 'is never ready', /was not ready within 1 seconds.*503.*The model cannot answer/],
      ['9', 'can’t be pulled', /could not be made: .*can't be pulled/],
      ['f', 'fails when it gets all questions', /was not ready within 1 seconds/],
    ] as const) {
      it(`leave things as they were when the new revision ${what}`, async () => {
        await begin('a');
        const { exitCode, output } = await serve(digit, '1');
        assert.equal(exitCode, 1);
        assert.match(output, reason);
        assert.match(output, /^##\[error\].*lamp--ba serves, as before\.$/m);
        assert.equal(await served(), digest('a'));
        assert.deepEqual(await active(), ['lamp--ba']);
      });
    }

    it('say that there is nothing to go back to', async () => {
      assert.match((await serve('e', '1')).output, /There was no revision before it to go back to/);
    });

    it('say what to do on an agent without the command line of Azure', async () => {
      const { output: python } = await run('python3', ['-c', 'import sys; print(sys.executable)']);
      const script = join(root, 'deploy', 'on_container_apps.py');
      const args = ['--name', 'lamp', '--resource-group', 'models', '--image', image('a')];
      const { exitCode, output } = await run(
        python.trim(),
        [script, ...args, ...OPTIONS, '--suffix', 'b1', '--model-digest', digest('1')],
        {
          env: { PATH: '/nowhere' },
        },
      );
      assert.notEqual(exitCode, 0);
      assert.match(output, /This agent has no program 'az'\. Install it/);
      assert.doesNotMatch(output, /Traceback/);
    });

    it('go back when the run is canceled', async () => {
      await begin('a');
      const child = start('e');
      await untilSaid(child, /Made the revision/);
      child.kill('SIGTERM');
      const [exitCode] = await once(child, 'close');
      assert.equal(exitCode, 1);
      assert.equal(await served(), digest('a'));
      assert.deepEqual(await active(), ['lamp--ba']);
    });

    function start(digit: string): ChildProcess {
      const args = ['--name', 'lamp', '--resource-group', 'models', '--image', image(digit), ...OPTIONS];
      return spawn('python3', ['-u', join(root, 'deploy/on_container_apps.py'), ...args, '--suffix', 'be'], {
        env: environment(),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    }
  });

  describe('to a container instance', () => {
    const serve = (digit: string) =>
      deploy('on_container_instance.py', image(digit), [
        ...['--identity', IDENTITY, '--location', 'westeurope', '--patience', digit === 'e' ? '1' : '20'],
        ...['--model-digest', digest(digit)],
      ]);
    const served = async () => {
      const { ipAddress } = await az('container', 'show', '--name', 'lamp');
      return servedModel(`${ipAddress.ip}:${ipAddress.ports[0].port}`);
    };

    it('replace what is there', async () => {
      for (const digit of ['a', 'b']) {
        const { exitCode, output } = await serve(digit);
        assert.equal(exitCode, 0, output);
        assert.equal(await served(), digest(digit));
      }
    });

    it('put back what was there when the new one does not serve what it should', async () => {
      await serve('a');
      for (const digit of ['d', '9']) {
        const { exitCode, output } = await serve(digit);
        assert.equal(exitCode, 1);
        assert.match(output, new RegExp(`${image('a')} serves again`));
        assert.equal(await served(), digest('a'));
      }
    });
  });

  describe('to Kubernetes', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'helm-'));
    });

    afterEach(() => rmSync(folder, { recursive: true }));

    /** A helm that notes what it is told, and fails at one command. */
    async function serve(failing: string, deployed: object[]): Promise<Answer & { told: string[] }> {
      const log = join(folder, 'log');
      writeFileSync(
        join(folder, 'helm'),
        `#!/bin/sh
echo "$@" >>'${log}'
case $1 in
  list) echo '${JSON.stringify(deployed)}' ;;
  ${failing}) echo "Error: $1 failed" >&2; exit 1 ;;
esac
`,
      );
      chmodSync(join(folder, 'helm'), 0o755);
      const args = ['deploy/on_kubernetes.py', '--name', 'lamp', '--resource-group', 'models'];
      const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` };
      const answer = await run('python3', [...args, '--image', image('a'), '--model-digest', digest('a')], {
        env,
      });
      return { ...answer, told: readFileSync(log, 'utf8').trim().split('\n') };
    }

    it('upgrade the release by digest, and ask it from inside the cluster', async () => {
      const { exitCode, output, told } = await serve('nothing', []);
      assert.equal(exitCode, 0, output);
      assert.deepEqual(
        told.map((line) => line.split(' ')[0]),
        ['list', 'upgrade', 'test'],
      );
      assert.match(told[1]!, new RegExp(`image\\.digest=${digest('a')}.*modelDigest=${digest('a')}`));
      assert.match(told[1]!, /--install .*--wait --timeout 300s/);
    });

    for (const failing of ['upgrade', 'test']) {
      it(`go back to the release before when '${failing}' fails`, async () => {
        const { exitCode, output, told } = await serve(failing, [{ name: 'lamp', revision: '7' }]);
        assert.equal(exitCode, 1);
        assert.match(told.at(-1)!, /^rollback lamp 7 /);
        assert.match(output, new RegExp(`${failing} failed.* Revision 7 of the release serves again`, 's'));
      });
    }

    it('let helm end what it was about when the run is canceled', async () => {
      const ended = join(folder, 'ended');
      writeFileSync(
        join(folder, 'helm'),
        `#!/usr/bin/env python3
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path('${ended}').write_text('failed')
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
if sys.argv[1] == 'list':
    print('[]')
else:
    pathlib.Path('${folder}/started').touch()
    time.sleep(60)
`,
      );
      chmodSync(join(folder, 'helm'), 0o755);
      const args = ['--name', 'lamp', '--resource-group', 'models', '--image', image('a')];
      const child = spawn('python3', [join(root, 'deploy/on_kubernetes.py'), ...args], {
        env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` },
        stdio: 'ignore',
      });
      const closed = once(child, 'close');
      while (!existsSync(join(folder, 'started')) && child.exitCode === null) await sleep(20);
      child.kill('SIGTERM');
      const [exitCode] = await closed;
      assert.equal(exitCode, 1);
      assert.ok(
        existsSync(ended),
        'killed, helm leaves a first release pending, and every later one is refused',
      );
    });

    it('say that there is nothing to go back to', async () => {
      const { exitCode, output, told } = await serve('test', []);
      assert.equal(exitCode, 1);
      assert.match(output, /There was no release before it to go back to/);
      assert.match(told.at(-1)!, /^test/);
    });
  });

  it('name the variables that the pipeline does not know, before anything is asked', async () => {
    const place = ['--cluster', '$(aks-name)', '--namespace', '$(Some.Name)-models'];
    const { exitCode, output } = await deploy('on_kubernetes.py', '$(registry)/lamp:$(version)', place);
    assert.equal(exitCode, 1);
    assert.match(
      output,
      /^##\[error\]The pipeline does not know the variables 'Some\.Name', 'aks-name', 'registry', 'version'\. docs\/set-up/,
    );
  });

  it('define resources as Microsoft does', async function () {
    if (!existsSync(JUDGE)) skip(this, "Microsoft's type definitions are not beside this checkout");
    const folder = mkdtempSync(join(tmpdir(), 'definitions-'));
    try {
      const file = join(folder, 'template.json');
      const made = await run('python3', ['-c', DEFINITIONS, join(root, 'deploy'), IDENTITY, image('a')]);
      assert.equal(made.exitCode, 0, made.output);
      writeFileSync(file, made.output);
      const judged = await run('python3', [join(JUDGE, 'validate.py'), join(JUDGE, 'types'), file]);
      // Half a core is what Azure's own documents write; its definition knows whole numbers only.
      const complaints = judged.output.trim().split('\n').slice(0, -1);
      assert.deepEqual(
        complaints.filter((line) => !/resources\.cpu: must be an integer$/.test(line)),
        [],
      );
      assert.match(judged.output, /3 resources/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Prints a template of what the deployments would send: an app that is new, one that serves already, and an instance. */
const DEFINITIONS = `
import json, sys
from types import SimpleNamespace
folder, identity, image = sys.argv[1:]
sys.path.insert(0, folder)
import on_container_apps, on_container_instance
target = SimpleNamespace(name="lamp", image=image, identity=identity, suffix="b1", location="westeurope")
place = {"id": "/subscriptions/1/environments/models", "location": "westeurope"}
apps = [
    {"apiVersion": "2025-07-01", "name": "lamp", **on_container_apps.definition(target, place, serving)}
    for serving in (None, "lamp--b0")
]
print(json.dumps({"resources": [*apps, on_container_instance.definition(target, image)]}))
`;

async function untilSaid(child: ChildProcess, pattern: RegExp): Promise<void> {
  let said = '';
  for await (const text of child.stdout!.iterator({ destroyOnReturn: false })) {
    said += text;
    if (pattern.test(said)) return;
  }
  throw new Error(`It ended without saying so: ${said}`);
}
