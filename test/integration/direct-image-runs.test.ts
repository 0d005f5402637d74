import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import { PASSWORD, startDockerRegistry, USERNAME, writeDockerLogin } from '../support/docker-registry';
import { errorsOf, runStep } from '../support/extension';
import { importBaseImage } from '../support/shell-image';
import { skip, skipWithout } from '../support/skip';

describe('an image that was built without an engine', function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), 'direct-image-runs-'));
  const sources = join(folder, 'sources');
  const run = randomUUID();
  const imported = `direct-image-runs-base:${run}`;
  let server: ChildProcess | undefined;
  let host: string;
  const login = join(folder, 'login');

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    skipWithout(this, 'docker-registry');
    importBaseImage(imported);
    [server, host] = await startDockerRegistry(join(folder, 'registry'));
    mkdirSync(sources);
    writeDockerLogin(login, host);
  });

  after(async () => {
    if (server) {
      server.kill();
      await once(server, 'exit');
      const mine = docker('images', '--format', '{{.Repository}}:{{.Tag}}').split('\n');
      const names = mine.filter((name) => name.startsWith(`${host}/`) || name === imported);
      if (names.length > 0) docker('image', 'rm', '--force', ...names);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function docker(...args: string[]): string {
    return execFileSync('docker', ['--config', login, ...args], { encoding: 'utf8' }).trim();
  }

  async function step(lines: readonly string[], inputs: Record<string, string>) {
    writeFileSync(join(sources, 'Dockerfile'), lines.join('\n'));
    const registry = { loginServer: host, acrUsername: USERNAME, acrPassword: PASSWORD };
    const all = { ...registry, tags: '1.0.0', dockerfile: 'Dockerfile', ...inputs };
    const result = await runStep('AcrBuildPush', all, { sources, workFolder: join(folder, 'agent') });
    assert.equal(result.result, 'Succeeded', errorsOf(result));
    return result;
  }

  for (const compression of ['gzip', 'none']) {
    it(`is pulled and run by docker, as its Dockerfile says (compression: ${compression})`, async () => {
      await step([`FROM ${imported}`, 'COPY Dockerfile /'], { repository: 'base', builder: 'docker' });
      writeFileSync(
        join(sources, 'serve.sh'),
        'read -r model < /models/model; echo "$1 $GREETING $model $PWD"\n',
      );
      writeFileSync(join(sources, 'model'), 'a model\n');
      const repository = `api-${compression}`;
      const { outputVariables } = await step(
        [
          `FROM ${host}/base:1.0.0`,
          'ENV GREETING="hello from"',
          'WORKDIR /srv/api',
          'COPY --chown=1000:1000 model /models/',
          'COPY serve.sh .',
          'USER 1000:1000',
          'ENTRYPOINT ["sh", "/srv/api/serve.sh"]',
          'CMD ["now"]',
        ],
        { repository, builder: 'direct', compression },
      );
      assert.equal(outputVariables.builder, 'direct');
      const image = outputVariables.imageRefByDigest!;
      docker('pull', '--quiet', image);
      try {
        assert.equal(docker('run', '--rm', image), 'now hello from a model /srv/api');
        assert.equal(docker('run', '--rm', image, 'later'), 'later hello from a model /srv/api');
      } finally {
        docker('image', 'rm', '--force', image);
      }
    });
  }
});
