import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inventory, jobsOf, NOTHING, setUpSteps, WHOLE } from '../../support/set-up-steps';

describe('deploy/set-up --remove', function () {
  this.timeout(240_000);
  const steps = setUpSteps();

  it('says what --remove would do, and does it with --apply', async () => {
    await steps.begin();
    await steps.applied();
    const before = steps.world.changes();
    const dry = await steps.setUp('--remove');
    assert.equal(dry.exitCode, 0);
    assert.deepEqual(steps.world.changes(), before);
    const { exitCode, output } = await steps.setUp('--remove', '--apply');
    assert.equal(exitCode, 0, output);
    assert.deepEqual(inventory(steps.world), NOTHING);
    assert.deepEqual(await jobsOf(steps.world), []);
    assert.equal(
      existsSync(join(steps.world.state, 'model-pipelines')) &&
        readdirSync(join(steps.world.state, 'model-pipelines')).length,
      0,
    );
    assert.match((await steps.setUp('--remove', '--apply')).output, /has made nothing here/);
    await steps.applied();
    assert.deepEqual(inventory(steps.world).endpoints, ['model-pipelines']);
  });

  it('goes on removing when one thing can not be removed, and ends with a failure', async () => {
    await steps.begin();
    await steps.applied();
    steps.spoil((line) =>
      /^DELETE .*environments/.test(line)
        ? { answer: { status: 403, body: '{"message":"You may not."}' } }
        : undefined,
    );
    const first = await steps.setUp('--remove', '--apply');
    assert.equal(first.exitCode, 1);
    assert.match(first.output, /environment models: Azure DevOps refuses/);
    assert.deepEqual(inventory(steps.world), { ...NOTHING, environments: ['models'] });
    steps.spoil(() => undefined);
    assert.equal((await steps.setUp('--remove', '--apply')).exitCode, 0);
    assert.deepEqual(inventory(steps.world).environments, []);
  });

  it('removes the rest where the resource group is gone already', async () => {
    await steps.begin();
    await steps.applied();
    steps.world.account.outputs = undefined;
    const { exitCode, output } = await steps.setUp('--remove', '--apply');
    assert.equal(exitCode, 0, output);
    const { files: _files, credentials: _credentials, ...devOps } = inventory(steps.world);
    const { files: _none, credentials: _zero, ...nothing } = NOTHING;
    assert.deepEqual(devOps, nothing);
  });
});

describe('deploy/set-up, beside what others have made,', function () {
  this.timeout(240_000);
  const steps = setUpSteps();

  it('changes nothing where something of theirs is in the way, and says all of it', async () => {
    await steps.begin();
    const { organization } = steps.world.devOps;
    organization.groups.set('50', {
      id: 50,
      name: 'shared-variables',
      type: 'Vsts',
      variables: { version: { value: '9' } },
    });
    steps.world.workspace.createJob({
      name: 'train-titanic-model',
      tasks: [{ task_key: 'other', notebook_task: { notebook_path: '/x' } }],
    });
    const { exitCode, output } = await steps.setUp('--apply');
    assert.equal(exitCode, 1);
    assert.deepEqual(steps.world.changes(), []);
    assert.match(output, /Nothing has been changed/);
    assert.match(output, /The job train-titanic-model was not made by set-up/);
  });

  it('uses what is as it must be, and never removes it', async () => {
    await steps.begin();
    await steps.applied();
    // Somebody who has lost the note of it all: everything is another's from then on.
    const state = join(steps.world.state, 'model-pipelines');
    assert.equal(readdirSync(state).length, 1);
    rmSync(state, { recursive: true });
    const before = steps.world.changes();
    await steps.applied();
    assert.deepEqual(steps.world.changes(), before);
    const { output } = await steps.setUp('--remove', '--apply');
    assert.match(output, /has made nothing here/);
    assert.deepEqual(inventory(steps.world), WHOLE);
  });

  it('leaves what bears the name of what it had made, but is another', async () => {
    await steps.begin();
    await steps.applied();
    const { groups } = steps.world.devOps.organization;
    const [[id, group]] = [...groups] as [[string, object]];
    groups.delete(id);
    groups.set('99', { ...group, id: 99 });
    const { exitCode, output } = await steps.setUp('--remove', '--apply');
    assert.equal(exitCode, 0, output);
    assert.match(output, /variable group shared-variables: left, it is no longer the one/);
    assert.deepEqual(inventory(steps.world).groups, ['shared-variables']);
  });

  it('leaves a volume that holds the files of others', async () => {
    await steps.begin();
    await steps.applied();
    steps.world.workspace.catalog.put('/Volumes/main/default/data/theirs.csv', 'a,b');
    const { output } = await steps.setUp('--remove', '--apply');
    assert.match(output, /volume main.default.data: left, it holds other files/);
    assert.deepEqual(inventory(steps.world).files, ['/Volumes/main/default/data/theirs.csv']);
  });

  it('keeps the rights that others have on the same things', async () => {
    await steps.begin();
    await steps.applied();
    const token = { Authorization: `Bearer ${steps.world.secrets[0]}` };
    const place = `${steps.world.workspace.url}/api/2.1/unity-catalog/permissions/schema/main.default`;
    const changes = [{ principal: 'data.scientist@example.com', add: ['USE_SCHEMA'] }];
    await fetch(place, { method: 'PATCH', headers: token, body: JSON.stringify({ changes }) });
    await steps.setUp('--remove', '--apply');
    const left = await steps.world.ask('/api/2.1/unity-catalog/permissions/schema/main.default');
    assert.deepEqual(left.privilege_assignments, [
      { principal: 'data.scientist@example.com', privileges: ['USE_SCHEMA'] },
    ]);
  });
});
