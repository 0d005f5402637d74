import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Inputs, readInputs } from '../../../tasks/AcrBuildPush/inputs';
import type { ServiceConnection } from '../../../tasks/common/agent';
import { InputReader } from '../../../tasks/common/inputs';
import { capturedLog, temporaryFolder } from './support';

const connection = (
  scheme: string,
  parameters: Record<string, string>,
  data: Record<string, string> = {},
): ServiceConnection => ({
  id: 'id',
  url: 'https://management.azure.com/',
  scheme,
  parameters,
  data: (name) => data[name],
});

const CONNECTIONS: Record<string, ServiceConnection> = {
  azure: connection('WorkloadIdentityFederation', { tenantid: 't', serviceprincipalid: 'c' }),
  docker: connection('UsernamePassword', {
    registry: 'https://r.azurecr.io/',
    username: 'robot',
    password: 'p4ssword',
  }),
  acr: connection(
    'WorkloadIdentityFederation',
    { tenantid: 't', serviceprincipalid: 'c', loginserver: 'Models.azurecr.io' },
    { registrytype: 'ACR' },
  ),
};

describe('the inputs of AcrBuildPush', () => {
  const folder = temporaryFolder();
  const dockerfile = join(folder.path, 'api', 'Dockerfile');
  const manifest = join(folder.path, 'model-manifest.json');
  before(() => {
    mkdirSync(join(folder.path, 'api'));
    writeFileSync(dockerfile, 'FROM scratch');
    writeFileSync(manifest, '{"name":"titanic","version":"1.0.0","digest":"sha256:aa"}');
  });
  after(() => folder.remove());

  const minimal = { acrName: 'MyRegistry', acrPassword: 'p4ssword', repository: 'Titanic', tags: '1.0.0' };

  function read(
    inputs: Record<string, string>,
    secrets: Record<string, string> = {},
    variables: Record<string, string> = {},
  ) {
    const { log, lines } = capturedLog();
    const given: Record<string, string> = { dockerfile, ...inputs };
    const reader = new InputReader(
      (name) => given[name] || undefined,
      log,
      (id) => CONNECTIONS[id],
    );
    const context = {
      inputs: reader,
      secretVariables: () => new Map(Object.entries(secrets)),
      variable: (name: string) => ({ 'Build.SourceVersion': '0123456789abcdef', ...variables })[name],
    };
    return { inputs: readInputs(context), lines };
  }

  it('need no Dockerfile where they name an image to copy', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const [text, registry, repository] of [
      [`dev/titanic@${digest}`, 'myregistry.azurecr.io', 'dev/titanic'],
      [`other.azurecr.io/titanic:1.0.0@${digest}`, 'other.azurecr.io', 'titanic'],
    ] as const) {
      const { sourceImage } = read({ ...minimal, sourceImage: text, dockerfile: '/no/Dockerfile' }).inputs;
      assert.equal(sourceImage?.registry, registry);
      assert.equal(sourceImage?.repository, repository);
      assert.equal(sourceImage?.digest, digest);
    }
  });

  it('may do without tags', () => {
    assert.deepEqual(read({ ...minimal, tags: '' }).inputs.tags, []);
  });

  const usernameOf = ({ identity }: Inputs) =>
    identity?.kind === 'password' ? identity.username : undefined;

  it('take a file of certificates that was left empty for none, which agents give as the root of the sources', () => {
    const inputs = {
      ...minimal,
      ...{ acrPassword: '', authType: 'azureServiceConnection', azureServiceConnection: 'azure' },
      signingKey: 'https://models.vault.azure.net/certificates/signing',
      signingCertificates: folder.path,
    };
    const variables = { 'Build.SourcesDirectory': folder.path };
    assert.deepEqual(read(inputs, {}, variables).inputs.signing?.certificates, []);
    assert.throws(() => read(inputs), /'signingCertificates' is '.*', which is no file/);
  });

  it('refuse options for docker that another input sets, or that hold a secret', () => {
    const refusal = (dockerOptions: string, message: RegExp, secrets = {}) =>
      assert.throws(() => read({ ...minimal, dockerOptions }, secrets), { message });
    refusal(
      '--build-arg=A=1',
      /'dockerOptions' has the line '--build-arg=A=1', which is for input 'buildArgs' to say/,
    );
    refusal(
      '--build-context=a=https://s3cret-token@host/a',
      /'dockerOptions' sets --build-context to a value that holds the secret variable 'token'\. Every user of the agent/,
      { token: 's3cret-token' },
    );
    const { dockerOptions } = read({ ...minimal, dockerOptions: '--network host\n\n--no-cache' }).inputs;
    assert.deepEqual(
      dockerOptions.map(({ words }) => words),
      [['--network', 'host'], ['--no-cache']],
    );
  });

  it('refuse a smoke test that can be asked of nothing, and lines that make no sense', () => {
    const refusal = (more: Record<string, string>, message: RegExp) =>
      assert.throws(() => read({ ...minimal, ...more }), { message });
    refusal({ smokeTest: 'GET /x' }, /'smokeTest' has the line 'GET \/x', which does not say/);
    refusal({ signingKey: 'signing' }, /'signingKey' is 'signing', but must be the identifier of a key/);
    const signingKey = 'https://models.vault.azure.net/keys/signing';
    refusal({ signingKey }, /'signingConnection'/);
    refusal({ signingKey, push: 'false' }, /'signingKey' signs what the step builds and pushes/);
    refusal({ signingKey, signingCertificates: 'none.pem' }, /'signingCertificates' is '.*none\.pem'/);
    const smokeTest = 'GET /x 200';
    refusal({ smokeTest, builder: 'direct', push: 'false' }, /'smokeTest' needs the image in an engine/);
    refusal({ smokeTest, builder: 'acrTasks' }, /'smokeTest' has the image tested before/);
  });

  it('need little more than names, version and password', () => {
    assert.deepEqual(read(minimal).inputs, {
      loginServer: 'myregistry.azurecr.io',
      registryName: 'myregistry',
      identity: { kind: 'password', username: 'myregistry', password: 'p4ssword', input: 'acrPassword' },
      repository: 'titanic',
      tags: [{ tag: '1.0.0', moves: false }],
      version: '1.0.0',
      tagRemarks: [],
      labels: {},
      model: undefined,
      sourceImage: undefined,
      dockerfile,
      buildContext: join(folder.path, 'api'),
      buildArgs: {},
      buildSecrets: {},
      target: undefined,
      platforms: [],
      cacheFrom: [],
      cacheTo: [],
      dockerOptions: [],
      builder: 'auto',
      compression: 'auto',
      agentPool: undefined,
      buildMinutes: 480,
      docker: undefined,
      push: true,
      ifTagExists: 'overwrite',
      lockTag: false,
      smokeTest: [],
      attest: 'auto',
      sbom: 'auto',
      signing: undefined,
    });
  });

  it('are all used when given', () => {
    const { inputs } = read({
      ...minimal,
      acrUsername: 'robot',
      loginServer: '127.0.0.1:5000',
      tags: '1.0.0\nlatest\n{{sha}}',
      labels: 'team=blue',
      modelManifest: manifest,
      buildContext: folder.path,
      buildArgs: 'A=1\nB=x=y',
      buildSecrets: 'pypi=s3cret=',
      target: 'final',
      platform: 'linux/amd64, linux/arm64',
      cacheFrom: 'cache:1\nghcr.io/x/y\ntype=gha',
      cacheTo: 'inline\nteam/cache',
      dockerVersion: 'v28.2.2',
      buildxVersion: '0.24.0',
      dockerDownloadSource: 'https://mirror.example.com/',
      ifTagExists: 'fail',
      lockTag: 'true',
    });
    assert.equal(inputs.loginServer, '127.0.0.1:5000');
    assert.equal(usernameOf(inputs), 'robot');
    assert.deepEqual(
      inputs.tags.map(({ tag }) => tag),
      ['1.0.0', '0123456', 'latest'],
    );
    assert.deepEqual(inputs.docker, {
      dockerVersion: '28.2.2',
      buildxVersion: '0.24.0',
      source: 'https://mirror.example.com',
    });
    assert.equal(inputs.lockTag, true);
    assert.deepEqual(inputs.labels, { team: 'blue' });
    assert.deepEqual(inputs.model, {
      ...{ name: 'titanic', version: '1.0.0', digest: 'sha256:aa' },
      folder: folder.path,
    });
    assert.equal(inputs.buildContext, folder.path);
    assert.deepEqual(inputs.buildArgs, { A: '1', B: 'x=y' });
    assert.equal(inputs.target, 'final');
    assert.deepEqual(inputs.buildSecrets, { pypi: 's3cret=' });
    assert.deepEqual(inputs.platforms, ['linux/amd64', 'linux/arm64']);
    assert.deepEqual(inputs.cacheFrom, ['127.0.0.1:5000/cache:1', 'ghcr.io/x/y', 'type=gha']);
    assert.deepEqual(inputs.cacheTo, ['inline', '127.0.0.1:5000/team/cache']);
    assert.equal(inputs.ifTagExists, 'fail');
  });

  for (const [names, platforms] of [
    ['linux/x86_64', ['linux/amd64']],
    ['linux/x86-64 Linux/AMD64', ['linux/amd64']],
    ['amd64/v1', ['linux/amd64']],
    ['linux/amd64/v3', ['linux/amd64/v3']],
    ['i386', ['linux/386']],
    ['aarch64', ['linux/arm64']],
    ['arm64/v8', ['linux/arm64']],
    ['linux/arm64/v8,linux/arm64/8', ['linux/arm64']],
    ['arm', ['linux/arm/v7']],
    ['linux/arm', ['linux/arm/v7']],
    ['armhf', ['linux/arm/v7']],
    ['linux/armel', ['linux/arm/v6']],
    ['linux/arm/6', ['linux/arm/v6']],
    ['s390x ppc64le riscv64', ['linux/s390x', 'linux/ppc64le', 'linux/riscv64']],
    ['windows/amd64', ['windows/amd64']],
  ] as const) {
    it(`know the platform ${names} as docker does`, () => {
      assert.deepEqual(read({ ...minimal, platform: names }).inputs.platforms, platforms);
    });
  }

  it("take the registry's name for its user also behind another address", () => {
    assert.equal(usernameOf(read({ ...minimal, loginServer: '127.0.0.1:5000' }).inputs), 'myregistry');
  });

  it('need no password without a push', () => {
    assert.equal(read({ ...minimal, acrPassword: '', push: 'false' }).inputs.identity, undefined);
  });

  it('take a connection to Azure in place of a password', () => {
    const { identity } = read({
      ...minimal,
      acrPassword: '',
      authType: 'azureServiceConnection',
      azureServiceConnection: 'azure',
    }).inputs;
    assert.equal(identity?.kind === 'azure' && identity.connection.credential.kind, 'federation');
  });

  it('take registry, user and password from a Docker Registry connection', () => {
    const given = { acrName: '', acrPassword: '', authType: 'dockerRegistryConnection' };
    const { inputs } = read({ ...minimal, ...given, dockerRegistryConnection: 'docker' });
    assert.equal(inputs.loginServer, 'r.azurecr.io');
    assert.deepEqual(inputs.identity, {
      kind: 'password',
      username: 'robot',
      password: 'p4ssword',
      input: 'dockerRegistryConnection',
    });
    const azure = read({ ...minimal, ...given, dockerRegistryConnection: 'acr' }).inputs;
    assert.equal(azure.loginServer, 'models.azurecr.io');
    assert.equal(azure.identity?.kind, 'azure');
  });

  it('mask the password, alone and with its user, and log it nowhere', () => {
    const { lines } = read({ ...minimal, acrPassword: 'an0ther-password' });
    const base64 = Buffer.from('myregistry:an0ther-password').toString('base64');
    assert.ok(lines.includes('##vso[task.setsecret]an0ther-password'));
    assert.ok(lines.includes(`##vso[task.setsecret]${base64}`));
    const others = lines.filter((line) => !line.startsWith('##vso[task.setsecret]'));
    assert.ok(others.length > 0 && !others.some((line) => line.includes('an0ther-password')));
  });

  for (const [mistake, inputs, message] of [
    ['a missing registry', { acrName: '' }, /Input 'acrName' is missing.*'loginServer'/],
    [
      'an option of docker among build arguments',
      { buildArgs: '--build-arg PYTHON=3.12' },
      /Input 'buildArgs' has the line '--build-arg PYTHON=…'. Leave out the option: write PYTHON=…/,
    ],
    [
      'a build argument whose name no ARG line can have',
      { buildArgs: 'MY ARG=1' },
      /Input 'buildArgs' sets 'MY ARG', but the names of ARG lines/,
    ],
    [
      'build arguments as YAML',
      { buildArgs: 'PYTHON: 3.12' },
      /is not KEY=VALUE. Write PYTHON=… in place of 'PYTHON: …'/,
    ],
    [
      'a pattern for the Dockerfile',
      { dockerfile: '**/Dockerfile' },
      /takes no patterns. Give the path of one file/,
    ],
    ['a bad registry name', { acrName: 'my_registry' }, /Input 'acrName' is 'my_registry'/],
    ['a bad login server', { loginServer: 'myregistry' }, /Input 'loginServer' is 'myregistry'/],
    ['a missing password', { acrPassword: '' }, /Input 'acrPassword' is missing \(needed to push\)/],
    [
      'a missing user outside Azure',
      { acrName: '', loginServer: 'registry.example.com' },
      /'acrUsername' is missing/,
    ],
    [
      'a missing connection',
      { acrPassword: '', authType: 'azureServiceConnection' },
      /Input 'azureServiceConnection' is missing \('authType' asks for it\)/,
    ],
    [
      'a connection to another registry',
      { acrPassword: '', authType: 'dockerRegistryConnection', dockerRegistryConnection: 'docker' },
      /names a connection to r\.azurecr\.io, but the image goes to myregistry\.azurecr\.io/,
    ],
    ['a missing repository', { repository: '' }, /Input 'repository' is missing/],
    ['a bad repository', { repository: 'a//b' }, /Input 'repository' is 'a\/\/b'/],
    ['a bad tag', { tags: '1.0.0\nbad tag' }, /Input 'tags' has the tag 'bad tag'/],
    [
      'no registry, of which a source image is no more wrong',
      { acrName: '', sourceImage: `titanic@sha256:${'0'.repeat(64)}` },
      /^Input 'acrName' is missing\. [^.]*'loginServer'\.$/,
    ],
    ['a source image without a digest', { sourceImage: 'titanic:1.0.0' }, /'sourceImage' .* with its digest/],
    ['a source image that is none', { sourceImage: 'Titanic@sha256:1' }, /'sourceImage' .* in small letters/],
    [
      'a source image alone, and no Dockerfile that it would do without',
      { sourceImage: 'titanic:1.0.0', dockerfile: '/no/Dockerfile' },
      /^Input 'sourceImage' [^\n]*$/,
    ],
    [
      'a source image that is not pushed',
      { sourceImage: `titanic@sha256:${'0'.repeat(64)}`, push: 'false' },
      /'push' must not be false/,
    ],
    [
      'a Dockerfile that is not there',
      { dockerfile: '/no/Dockerfile' },
      /Input 'dockerfile' is '\/no\/Dockerfile', but there is no such file/,
    ],
    [
      'a context that is not there',
      { buildContext: '/no/folder' },
      /Input 'buildContext' is '\/no\/folder', but there is no such folder/,
    ],
    [
      'a manifest that is not there',
      { modelManifest: '/no/file' },
      /Input 'modelManifest'.*ENOENT.*'manifestPath'/,
    ],
    ['a secret without a value', { buildSecrets: 'pypi=' }, /Input 'buildSecrets' has nothing for pypi/],
    ['a secret with a bad id', { buildSecrets: 'a,b=c' }, /Input 'buildSecrets' has the id 'a,b'/],
    ['half a version', { dockerVersion: '28' }, /Input 'dockerVersion' is '28', but must be a whole version/],
    [
      'a download source with a user',
      { dockerDownloadSource: 'https://me:pass@mirror' },
      /Input 'dockerDownloadSource' is no web address without a user/,
    ],
    ['a platform of no known processor', { platform: 'linux/adm64' }, /Input 'platform' is 'linux\/adm64'/],
    ['a platform of no known system', { platform: 'lunix/amd64' }, /Input 'platform' is 'lunix\/amd64'/],
    [
      'a platform of too many parts',
      { platform: 'linux/arm/v7/x' },
      /Input 'platform' is 'linux\/arm\/v7\/x'/,
    ],
    ['a platform that is an option', { platform: '--push' }, /Input 'platform' is '--push'/],
    ['an unknown choice', { ifTagExists: 'replace' }, /Input 'ifTagExists' is 'replace', but must be one of/],
    [
      'a variable that was not expanded',
      { tags: '$(version)' },
      /Input 'tags' holds \$\(version\), but this pipeline has no variable 'version'/,
    ],
  ] as const) {
    it(`report ${mistake}`, () => {
      assert.throws(() => read({ ...minimal, ...inputs }), { name: 'TaskError', message });
    });
  }

  it('report a Dockerfile that is a folder, as an empty file path arrives', () => {
    assert.throws(() => read({ ...minimal, dockerfile: folder.path }), {
      message: /Input 'dockerfile' is '.*', which is a folder/,
    });
  });

  it('report a file that is no manifest of a model', () => {
    assert.throws(() => read({ ...minimal, modelManifest: dockerfile }), {
      message: /Input 'modelManifest' is '.*', which can't be read as the manifest of a model/,
    });
  });

  for (const input of ['acrName', 'loginServer']) {
    it(`say of a variable that is not there in ${input} just that`, () => {
      assert.throws(
        () => read({ ...minimal, acrName: '', [input]: '$(acr-name)' }),
        (error: Error) => {
          assert.match(error.message, /^Input '\w+' holds \$\(acr-name\)/);
          assert.doesNotMatch(error.message, /is missing/);
          return true;
        },
      );
    });
  }

  it('report all mistakes at once', () => {
    assert.throws(() => read({ acrName: 'x', tags: '-', dockerfile: '/no/Dockerfile' }), {
      message: /^5 inputs must be put right\./,
    });
  });

  it('mask the secrets of a build one by one, and show none of them', () => {
    const { lines } = read({ ...minimal, buildSecrets: 'pypi=first-s3cret\nnpm=second-s3cret' });
    for (const secret of ['first-s3cret', 'second-s3cret']) {
      assert.ok(lines.includes(`##vso[task.setsecret]${secret}`));
      assert.ok(!lines.some((line) => line.includes(secret) && !line.startsWith('##vso[task.setsecret]')));
    }
    assert.throws(
      () => read({ ...minimal, buildSecrets: 'third-s3cret' }),
      (error: Error) =>
        /Input 'buildSecrets' has a line that is not KEY=VALUE/.test(error.message) &&
        !error.message.includes('third-s3cret'),
    );
  });

  for (const input of ['buildArgs', 'labels'] as const) {
    it(`refuse ${input} that would publish a secret`, () => {
      const secrets = { 'pypi-token': 's3cret-token', short: 'abc' };
      assert.throws(
        () => read({ ...minimal, [input]: 'INDEX=https://user:s3cret-token@example.com' }, secrets),
        (error: Error) => {
          assert.match(
            error.message,
            new RegExp(`Input '${input}' sets INDEX .* secret variable 'pypi-token'`),
          );
          assert.doesNotMatch(error.message, /s3cret-token/);
          return true;
        },
      );
      assert.deepEqual(read({ ...minimal, [input]: 'A=abc' }, secrets).inputs[input], { A: 'abc' });
    });
  }
});
