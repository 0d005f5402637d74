import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../../../../scripts/paths';
import {
  privateConfig,
  removeForgottenConfig,
  withDockerConfig,
} from '../../../../tasks/AcrBuildPush/docker/config';
import { capturedLog, temporaryFolder } from '../support';

const credentials = { host: 'r.azurecr.io', username: 'r', password: 'p4ss' };
const auth = Buffer.from('r:p4ss').toString('base64');

describe("the step's docker configuration", () => {
  it('holds the credentials of its registry', () => {
    assert.deepEqual(privateConfig({}, '/home/me/.docker', credentials).auths, { 'r.azurecr.io': { auth } });
  });

  it("keeps the user's settings, plugins and other logins", () => {
    const config = privateConfig(
      {
        auths: { 'ghcr.io': { auth: 'other' } },
        credHelpers: { 'gcr.io': 'gcloud' },
        cliPluginsExtraDirs: ['/plugins'],
        proxies: { default: { httpProxy: 'http://proxy:3128' } },
        currentContext: 'remote',
      },
      '/home/me/.docker',
      credentials,
    );
    assert.deepEqual(config, {
      auths: { 'ghcr.io': { auth: 'other' }, 'r.azurecr.io': { auth } },
      credHelpers: { 'gcr.io': 'gcloud' },
      cliPluginsExtraDirs: ['/plugins', join('/home/me/.docker', 'cli-plugins')],
      proxies: { default: { httpProxy: 'http://proxy:3128' } },
      currentContext: 'remote',
    });
  });

  it('never lets a helper or a store have the password, but still asks it for other registries', () => {
    const config = privateConfig(
      {
        auths: { 'https://index.docker.io/v1/': {}, 'https://R.azurecr.io/': {} },
        credsStore: 'desktop',
        credHelpers: { 'r.azurecr.io': 'acr-env' },
      },
      '/home/me/.docker',
      credentials,
    );
    assert.equal(config.credsStore, undefined);
    assert.deepEqual(config.credHelpers, { 'https://index.docker.io/v1/': 'desktop' });
    assert.deepEqual(config.auths, { 'https://index.docker.io/v1/': {}, 'r.azurecr.io': { auth } });
  });

  it('asks the helper that a registry has of its own, and the store for the others', () => {
    const auths = { 'gcr.io': {}, 'ghcr.io': {} };
    const original = { auths, credsStore: 'desktop', credHelpers: { 'gcr.io': 'gcloud' } };
    assert.deepEqual(privateConfig(original, '/x', credentials).credHelpers, {
      'gcr.io': 'gcloud',
      'ghcr.io': 'desktop',
    });
  });

  it("leaves the user's own login where the step has no credentials", () => {
    const original = { auths: { 'r.azurecr.io': { auth: 'mine' } } };
    assert.deepEqual(privateConfig(original, '/x', undefined).auths, original.auths);
  });

  describe('on disk', () => {
    let folder: ReturnType<typeof temporaryFolder>;
    let home: string;
    beforeEach(() => {
      folder = temporaryFolder();
      home = join(folder.path, 'home');
      mkdirSync(join(home, 'contexts', 'meta'), { recursive: true });
      writeFileSync(join(home, 'config.json'), '{"currentContext":"remote"}');
    });
    afterEach(() => folder.remove());

    function options(env: NodeJS.ProcessEnv = {}) {
      const parentFolder = join(folder.path, 'temp');
      mkdirSync(parentFolder, { recursive: true });
      const { log, lines } = capturedLog();
      const onCreate = () => undefined;
      return { parentFolder, env: { DOCKER_CONFIG: home, ...env }, log, lines, onCreate };
    }

    it('is readable for its user alone, beside the contexts of the user', async () => {
      await withDockerConfig(options(), async ({ env, signIn }) => {
        signIn(credentials);
        const file = join(env.DOCKER_CONFIG!, 'config.json');
        assert.equal(statSync(env.DOCKER_CONFIG!).mode & 0o777, 0o700);
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.equal(JSON.parse(readFileSync(file, 'utf8')).currentContext, 'remote');
        assert.ok(existsSync(join(env.DOCKER_CONFIG!, 'contexts', 'meta')));
        assert.equal(env.BUILDX_CONFIG, join(home, 'buildx'));
      });
    });

    it("goes on from a user's that has null in place of what is not there", async () => {
      const names = ['auths', 'credHelpers', 'credsStore', 'cliPluginsExtraDirs'];
      const nothing = Object.fromEntries(names.map((name) => [name, null]));
      writeFileSync(join(home, 'config.json'), JSON.stringify({ ...nothing, currentContext: 'remote' }));
      const { lines, ...rest } = options();
      await withDockerConfig(rest, async ({ env, signIn }) => {
        signIn(credentials);
        const made = JSON.parse(readFileSync(join(env.DOCKER_CONFIG!, 'config.json'), 'utf8'));
        assert.deepEqual(made.auths, { 'r.azurecr.io': { auth } });
        assert.equal(made.currentContext, 'remote');
      });
      assert.deepEqual(lines, []);
    });

    it("goes on without a user's that is none of docker's, and says so", async () => {
      writeFileSync(join(home, 'config.json'), '{"auths":[1]}');
      const { lines, ...rest } = options();
      await withDockerConfig(rest, async ({ signIn }) => signIn(credentials));
      assert.match(lines.join(), /type=warning.*is left out.*'auths' is a list, where an object should be/);
    });

    it('is gone after success and after failure, and what it links to is not', async () => {
      const { parentFolder, ...rest } = options();
      assert.equal(await withDockerConfig({ parentFolder, ...rest }, async () => 'done'), 'done');
      assert.deepEqual(readdirSync(parentFolder), []);
      const failing = withDockerConfig({ parentFolder, ...rest }, async () => {
        throw new Error('no');
      });
      await assert.rejects(failing, /no/);
      assert.deepEqual(readdirSync(parentFolder), []);
      assert.ok(existsSync(join(home, 'contexts', 'meta')));
    });

    it('is gone when the process ends in the middle of a step', () => {
      const { parentFolder } = options();
      const script = `
        import { withDockerConfig } from ${JSON.stringify(join(root, 'tasks', 'AcrBuildPush', 'docker', 'config.ts'))};
        const log = { info() {}, warning() {} };
        const options = { parentFolder: ${JSON.stringify(parentFolder)}, env: process.env, log, onCreate() {} };
        await withDockerConfig(options, async ({ env, signIn }) => {
          signIn({ host: 'r.azurecr.io', username: 'robot', password: 'p4ssword' });
          process.stdout.write(env.DOCKER_CONFIG);
          process.exit(0);
        });`;
      const flags = ['--import', 'tsx', '--input-type=module', '--eval', script];
      const made = execFileSync(process.execPath, flags, { encoding: 'utf8' });
      assert.equal(dirname(made), parentFolder);
      assert.deepEqual(readdirSync(parentFolder), []);
    });

    it('takes new credentials in place of those that ran out', async () => {
      await withDockerConfig(options(), async ({ env, signIn }) => {
        const auths = () => JSON.parse(readFileSync(join(env.DOCKER_CONFIG!, 'config.json'), 'utf8')).auths;
        assert.deepEqual(auths(), {});
        signIn({ ...credentials, password: 'old' });
        signIn(credentials);
        assert.deepEqual(auths(), { 'r.azurecr.io': { auth } });
      });
    });

    it("finds the client certificate of a remote engine in the user's folder", async () => {
      await withDockerConfig(options({ DOCKER_TLS_VERIFY: '1' }), async ({ env }) =>
        assert.equal(env.DOCKER_CERT_PATH, home),
      );
      await withDockerConfig(options(), async ({ env }) => assert.equal(env.DOCKER_CERT_PATH, undefined));
    });

    it('is known by its folder before there is anything in it', async () => {
      const seen: string[] = [];
      const onCreate = (path: string) => {
        assert.deepEqual(readdirSync(path), []);
        seen.push(path);
      };
      await withDockerConfig({ ...options(), onCreate }, async ({ env }) =>
        assert.deepEqual(seen, [env.DOCKER_CONFIG]),
      );
    });

    describe('at the end of the job', () => {
      const cleanUp = (forgotten: string) => {
        const { log, lines } = capturedLog();
        const env = { AGENT_TEMPDIRECTORY: folder.path, VSTS_TASKVARIABLE_DOCKERCONFIGFOLDER: forgotten };
        removeForgottenConfig(env, log);
        return lines;
      };

      it('is removed where it was forgotten, and nothing is said where it was not', () => {
        const forgotten = join(folder.path, 'AcrBuildPush-x', 'docker-y');
        mkdirSync(forgotten, { recursive: true });
        assert.match(cleanUp(forgotten)[0] ?? '', /^Removed the step's private Docker configuration/);
        assert.ok(!existsSync(forgotten));
        assert.deepEqual(cleanUp(forgotten), []);
      });

      it('is nothing outside of the temporary folder, or of another name', () => {
        const outside = temporaryFolder();
        try {
          const sources = join(outside.path, 'docker-sources');
          const other = join(folder.path, 'sources');
          for (const path of [sources, other]) {
            mkdirSync(path, { recursive: true });
            cleanUp(path);
            assert.ok(existsSync(path), path);
          }
        } finally {
          outside.remove();
        }
      });
    });

    it('is made also where the one of the user is broken, with a warning', async () => {
      writeFileSync(join(home, 'config.json'), '{');
      const { lines, ...rest } = options();
      await withDockerConfig(rest, async ({ env, signIn }) => {
        signIn(credentials);
        const config = JSON.parse(readFileSync(join(env.DOCKER_CONFIG!, 'config.json'), 'utf8'));
        assert.deepEqual(config.auths, { 'r.azurecr.io': { auth } });
      });
      assert.ok(lines.some((line) => line.includes('type=warning') && line.includes("can't be read")));
    });
  });
});
