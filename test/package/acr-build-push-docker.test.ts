import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSteps } from '../../local/agent/agent';
import { vsixFile } from '../../scripts/paths';
import { describePlatform } from '../../tasks/AcrBuildPush/docker/download-names';
import { errorsOf, nodeVersions, runStep } from '../support/extension';
import { skip } from '../support/skip';

const PASSWORD = 'correct-horse-battery';

/** A docker whose build ends in the sudden death of the task that started it. */
const DEADLY_DOCKER = `#!/bin/sh
case "$1" in
version) echo '{"Client":{"Version":"28.2.2"},"Server":{"Version":"28.2.2","Os":"linux","Arch":"amd64"}}';;
build) cp "$DOCKER_CONFIG/config.json" "$LAB/seen.json"; echo "$DOCKER_CONFIG" > "$LAB/config-folder"; kill -9 $PPID;;
esac
`;

/** Looks at the configuration's folder when the step is over, and notes the credentials in it. */
const LOOK = 'cat "$(cat "$LAB/config-folder")/config.json" > "$LAB/left.json"';

describe('AcrBuildPush, packed,', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'acr-'));
    mkdirSync(join(folder, 'bin'));
    mkdirSync(join(folder, 'sources'));
    writeFileSync(join(folder, 'bin', 'docker'), DEADLY_DOCKER, { mode: 0o755 });
    writeFileSync(join(folder, 'sources', 'Dockerfile'), 'FROM scratch\n');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  for (const nodeVersion of nodeVersions) {
    it(`under Node ${nodeVersion}, leaves no credentials behind even when it is killed: the end of the job removes them`, async () => {
      const inputs = {
        acrName: 'models',
        acrPassword: PASSWORD,
        repository: 'titanic',
        tags: '1.0.0',
        dockerfile: 'Dockerfile',
        push: 'false',
      };
      const yaml = JSON.stringify({
        steps: [
          { task: 'AcrBuildPush@1', name: 'step', inputs },
          { script: LOOK, condition: 'always()' },
        ],
      });
      const run = await runSteps(yaml, {
        vsix: vsixFile,
        sources: join(folder, 'sources'),
        workFolder: join(folder, 'work'),
        environment: {
          ...process.env,
          PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
          DOCKER_CONFIG: folder,
          LAB: folder,
        },
        nodeVersion,
      });
      const { steps } = run.jobs[0]!;
      const step = steps.find(({ name }) => name === 'step')!;
      assert.equal(step.result, 'Failed');
      const auth = Buffer.from(`models:${PASSWORD}`).toString('base64');
      for (const file of ['seen.json', 'left.json']) {
        assert.ok(readFileSync(join(folder, file), 'utf8').includes(auth), `${file} has no credentials`);
      }

      const postJob = steps.find(({ displayName }) => displayName.startsWith('Post-job: '))!;
      assert.equal(postJob.result, 'Succeeded');
      assert.ok(postJob.log.some((line) => line.includes("Removed the step's private Docker configuration")));
      assert.equal(existsSync(readFileSync(join(folder, 'config-folder'), 'utf8').trim()), false);
      for (const file of filesBelow(join(folder, 'work'))) {
        assert.ok(!readFileSync(file, 'utf8').includes(auth), file);
      }
    });
  }
});

describe('AcrBuildPush, packed, with a docker of its own,', function () {
  this.timeout(60_000);

  /** A docker that says which it is, and knows whether it has a buildx beside it. */
  const docker = (version: string) => `#!/bin/sh
case "$1 $2" in
version*) echo '{"Client":{"Version":"${version}"},"Server":{"Version":"20.10.24","Os":"linux","Arch":"amd64"}}';;
"buildx version") exec "$DOCKER_CONFIG/cli-plugins/docker-buildx" version;;
"buildx build" | build*)
  while [ "$1" != --iidfile ]; do shift; done
  printf sha256:abc > "$2"
  [ "$3" != --metadata-file ] || echo '{"containerimage.digest":"sha256:abc"}' > "$4";;
esac
`;
  const buildx = '#!/bin/sh\necho buildx\n';
  const sha256 = createHash('sha256').update(buildx).digest('hex');

  let folder: string;
  let server: Server;
  let requests: string[];
  /** What the server has, by path. */
  let files: Record<string, string | Buffer>;

  before(async function () {
    if (process.platform !== 'linux') skip(this, 'the scripted downloads are for Linux');
    server = createServer((request, response) => {
      requests.push(request.url!);
      const file = files[request.url!];
      if (file === undefined) response.writeHead(404).end();
      else response.end(file);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server?.close());

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'acr-'));
    mkdirSync(join(folder, 'sources'));
    writeFileSync(join(folder, 'sources', 'Dockerfile'), 'FROM scratch\n');
    mkdirSync(join(folder, 'docker'));
    writeFileSync(join(folder, 'docker', 'docker'), docker('27.0.1'));
    const releases = '/docker/buildx/releases/download/v0.24.0';
    const asset = `buildx-v0.24.0.${describePlatform('linux', process.arch).buildx}`;
    requests = [];
    files = {
      [`/${describePlatform('linux', process.arch).dockerFolder}/docker-27.0.1.tgz`]: execFileSync('tar', [
        '-C',
        folder,
        '-cz',
        'docker',
      ]),
      [`${releases}/checksums.txt`]: `${'0'.repeat(64)} *another\n${sha256} *${asset}\n`,
      [`${releases}/${asset}`]: buildx,
    };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = (inputs: Record<string, string> = {}) =>
    runStep(
      'AcrBuildPush',
      {
        acrName: 'models',
        repository: 'titanic',
        tags: '1.0.0',
        dockerfile: 'Dockerfile',
        push: 'false',
        dockerVersion: '27.0.1',
        dockerDownloadSource: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        ...inputs,
      },
      {
        sources: join(folder, 'sources'),
        workFolder: join(folder, 'work'),
        environment: { ...process.env, DOCKER_CONFIG: folder },
      },
    );
  const change = (pattern: RegExp, content: string | Buffer) => {
    files[Object.keys(files).find((path) => pattern.test(path))!] = content;
  };

  it('downloads it once, and says what vouches for it', async () => {
    const first = await run({ buildxVersion: '0.24.0' });
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    assert.ok(first.log.some((line) => line.includes('Building with docker 27.0.1 (BuildKit by buildx)')));
    assert.ok(first.log.some((line) => line.includes('Docker publishes no checksums of its clients')));
    assert.ok(
      first.log.some((line) => /buildx-v0\.24\.0\.\S+ is what its published checksum says/.test(line)),
    );
    assert.equal(requests.length, 3);

    const second = await run({ buildxVersion: '0.24.0' });
    assert.equal(second.result, 'Succeeded', errorsOf(second));
    assert.ok(second.log.some((line) => line.includes('Building with docker 27.0.1 (BuildKit by buildx)')));
    assert.equal(requests.length, 3);
  });

  it('does without buildx where none is asked for', async () => {
    const step = await run();
    assert.ok(step.log.some((line) => line.includes('Building with docker 27.0.1 (legacy builder)')));
    assert.equal(requests.length, 1);
  });

  for (const [what, prepare, message] of [
    [
      'a changed buildx',
      () => change(/buildx-v/, 'changed'),
      /is not what its checksum says .* was not used/,
    ],
    [
      'a buildx without a checksum',
      () => change(/checksums/, ''),
      /does not name buildx-v0\.24\.0\.\S+, so that it can't be verified/,
    ],
    [
      'half an archive',
      () => change(/tgz/, Buffer.from('H4sIAAAA', 'base64')),
      /is no whole archive with docker\/docker in it/,
    ],
    [
      'a version that is not there',
      () => {
        files = {};
      },
      /docker-27\.0\.1\.tgz could not be downloaded: .*404.* check input 'dockerVersion'/,
    ],
  ] as [string, () => void, RegExp][]) {
    it(`does not build with ${what}`, async () => {
      prepare();
      const step = await run({ buildxVersion: '0.24.0' });
      assert.equal(step.result, 'Failed');
      assert.match(errorsOf(step), message);
      assert.ok(!step.log.some((line) => line.includes('Building with')));
    });
  }
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
