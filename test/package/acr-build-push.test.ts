import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { errorsOf, nodeVersions, runStep, type StepOptions } from '../support/extension';
import { installFakeDocker } from '../support/fake-docker';

describe('AcrBuildPush, packed,', () => {
  let folder: string;
  let registry: Registry;
  let environment: NodeJS.ProcessEnv;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'acr-'));
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\n');
    environment = installFakeDocker(folder);
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'myregistry',
      password: 'pa55-word',
    });
  });

  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true });
  });

  const run = (inputs: Record<string, string>, options: StepOptions = {}) =>
    runStep(
      'AcrBuildPush',
      {
        acrName: 'myregistry',
        acrPassword: '$(acr-password)',
        loginServer: registry.loginServer,
        repository: 'titanic-model-api',
        tags: '1.0.0',
        dockerfile: 'Dockerfile',
        ...inputs,
      },
      {
        sources: folder,
        variableGroups: { secrets: { 'acr-password': { value: registry.password, isSecret: true } } },
        environment,
        ...options,
      },
    );

  for (const nodeVersion of nodeVersions) {
    it(`builds, and obeys nothing that the build prints, under Node ${nodeVersion}`, async () => {
      const step = await run({ push: 'false' }, { nodeVersion });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.match(step.nodeVersion!, new RegExp(`^${nodeVersion}\\.`));
      assert.equal(step.outputVariables.imageRef, `${registry.loginServer}/titanic-model-api:1.0.0`);
      assert.equal(step.outputVariables.builder, 'docker');
      assert.ok(step.log.some((line) => line.includes('##_vso[task.setvariable variable=stolen]yes')));
      assert.equal(step.outputVariables.stolen, undefined);
    });
  }

  const mistakes: [what: string, inputs: Record<string, string>, message: RegExp][] = [
    ['a Dockerfile that is not there', { dockerfile: 'api/Dockerfile' }, /'dockerfile'.*api\/Dockerfile/],
    ['a folder in place of the Dockerfile', { dockerfile: 'registry' }, /'dockerfile'.*folder/],
    ['a wrong password', { acrPassword: 'wrong-one' }, /acrPassword/],
    ['a repository that no registry takes', { repository: 'titanic//api' }, /'repository'/],
    ['a tag that no registry takes', { tags: '1.0.0 beta' }, /'tags'/],
    ['a variable that nobody defined', { tags: '$(version)' }, /'tags' holds \$\(version\)/],
    ['a secret in a build argument', { buildArgs: 'TOKEN=$(acr-password)' }, /'buildArgs'.*acr-password/],
  ];
  for (const [what, inputs, message] of mistakes) {
    it(`says plainly what is wrong with ${what}, and builds nothing`, async () => {
      const step = await run(inputs);
      assert.equal(step.result, 'Failed');
      assert.equal(step.exitCode, 0);
      assert.match(errorsOf(step), message);
      assert.ok(!step.log.some((line) => line.includes('Step 1/1')));
    });
  }

  it('says plainly that docker is not installed, and what needs it', async () => {
    writeFileSync(join(folder, 'Dockerfile.run'), 'FROM scratch\n\nRUN make\n');
    const step = await run({ dockerfile: 'Dockerfile.run' }, { environment: { PATH: '/nowhere' } });
    assert.equal(step.result, 'Failed');
    assert.match(
      errorsOf(step),
      /line 3 of the Dockerfile, RUN: it runs a command.*[Dd]ocker is not installed/,
    );
  });

  it('keeps the password out of everything it leaves behind', async () => {
    const step = await run({ push: 'false' }, { variables: { 'system.debug': 'true' } });
    assert.ok(step.log.some((line) => line.startsWith('##[debug]')));
    assert.ok(!JSON.stringify(step).includes(registry.password));
  });

  it('keeps the secrets of a build that fails, and prints them, out of everything it leaves behind', async () => {
    const lab = join(folder, 'talkative');
    mkdirSync(lab);
    const docker = `#!/bin/sh
case "$1" in
version) echo '{"Client":{"Version":"20.10.24"},"Server":{"Version":"20.10.24","Os":"linux","Arch":"amd64"}}' ;;
build) echo "$*" > '${lab}/arguments'
  printf '#1 [1/1] RUN train\\n#1 0.1 token is %s\\n#1 ERROR: %s was refused\\n' "$ACR_BUILD_PUSH_SECRET_0" "$ACR_BUILD_PUSH_SECRET_0" >&2
  exit 1 ;;
*) exit 1 ;;
esac
`;
    writeFileSync(join(lab, 'docker'), docker, { mode: 0o755 });
    const workFolder = join(lab, 'work');
    const canary = `canary-${randomUUID()}`;
    const step = await run(
      { push: 'false', builder: 'docker', buildSecrets: `token=${canary}` },
      {
        environment: { PATH: `${lab}:/usr/bin:/bin` },
        variables: { 'system.debug': 'true' },
        workFolder,
      },
    );
    assert.equal(step.result, 'Failed');
    assert.ok(
      step.log.some((line) => line.includes('token is ***')),
      step.log.join('\n'),
    );
    assert.ok(!JSON.stringify(step).includes(canary));
    assert.match(
      readFileSync(join(lab, 'arguments'), 'utf8'),
      /--secret id=token,env=ACR_BUILD_PUSH_SECRET_0/,
    );
    const files = readdirSync(lab, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    for (const { parentPath, name } of files) {
      assert.ok(!readFileSync(join(parentPath, name)).includes(canary), join(parentPath, name));
    }
  });
});
