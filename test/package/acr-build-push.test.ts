import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSteps } from '../../local/agent/agent';
import { vsixFile } from '../../scripts/paths';
import { nodeVersions } from '../support/extension';

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
        environment: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, LAB: folder },
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

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
