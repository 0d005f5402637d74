import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerLogin } from '../../../../tasks/AcrBuildPush/docker/logins';
import type { Logger } from '../../../../tasks/common/log';
import { rememberSecret } from '../../../../tasks/common/secrets';
import { capturedLog, temporaryFolder } from '../support';

describe('the login that an earlier step has left', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let lines: string[];
  let log: Logger;
  beforeEach(() => {
    folder = temporaryFolder();
    ({ lines, log } = capturedLog());
  });
  afterEach(() => folder.remove());

  const encode = (login: string) => ({ auth: Buffer.from(login).toString('base64') });

  function loginFor(host: string, auths: object | string) {
    const text = typeof auths === 'string' ? auths : JSON.stringify({ auths });
    writeFileSync(join(folder.path, 'config.json'), text);
    return dockerLogin({ DOCKER_CONFIG: folder.path }, host, log);
  }

  for (const [what, host, server] of [
    ['by its name', 'models.azurecr.io', 'models.azurecr.io'],
    ['by an address', 'models.azurecr.io', 'https://models.azurecr.io/v2/'],
    ['with a port', '127.0.0.1:5000', '127.0.0.1:5000'],
    ['of Docker Hub, whose API has another name', 'registry-1.docker.io', 'https://index.docker.io/v1/'],
  ] as const) {
    it(`is found for a registry ${what}`, async () => {
      const login = loginFor(host, { 'other.example': encode('a:b'), [server]: encode('robot:pass:word') });
      assert.deepEqual(await login?.current(), { username: 'robot', password: 'pass:word' });
      assert.equal(await login?.renewed(), undefined);
      assert.match(login!.refusal, /login of user 'robot'.*Sign in again in a step before/);
      assert.doesNotMatch(login!.refusal, /pass/);
      assert.deepEqual(rememberSecret('pass:word'), [], 'the password is masked');
    });
  }

  it('is found where az acr login has left a token in place of a password', async () => {
    const nobody = '00000000-0000-0000-0000-000000000000';
    const entry = { ...encode(`${nobody}:`), identitytoken: 'eyJ0.e30.c2ln' };
    const login = loginFor('models.azurecr.io', { 'models.azurecr.io': entry });
    assert.deepEqual(await login?.current(), { username: nobody, password: 'eyJ0.e30.c2ln' });
    assert.ok(lines.includes('##vso[task.setsecret]eyJ0.e30.c2ln'));
  });

  for (const [what, auths] of [
    ['of another registry', { 'other.example': encode('a:b') }],
    ['that a helper keeps', { 'models.azurecr.io': {} }],
    ['without a password', { 'models.azurecr.io': encode('robot:') }],
    [
      'with a token of another kind',
      { 'models.azurecr.io': { ...encode('robot:'), identitytoken: 'eyJ0.e30.c2ln' } },
    ],
    ['in a broken file', 'no JSON'],
  ] as const) {
    it(`is none ${what}`, () => assert.equal(loginFor('models.azurecr.io', auths), undefined));
  }

  it('is none where docker has no configuration', () => {
    assert.equal(dockerLogin({ DOCKER_CONFIG: folder.path }, 'models.azurecr.io', log), undefined);
    assert.equal(dockerLogin({}, 'models.azurecr.io', log), undefined);
  });
});
