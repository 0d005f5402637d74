import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { Client } from './client';

const OWNER = { user_name: 'data.scientist@example.com', permission_level: 'IS_OWNER' };

describe('Permissions in the local Databricks workspace', () => {
  let client: Client;
  let path: string;
  beforeEach(async () => {
    client = await Client.start();
    path = `/api/2.0/permissions/jobs/${client.workspace.createJob({ name: 'train' })}`;
  });
  afterEach(() => client.stop());

  /** Who may do what, without what is inherited. */
  const allowed = async (answer: Promise<JsonObject>) =>
    ((await answer).access_control_list as JsonObject[])
      .map((entry) => [
        entry.user_name ?? entry.group_name ?? entry.service_principal_name,
        (entry.all_permissions as JsonObject[])[0]!,
      ])
      .filter(([, permission]) => !(permission as JsonObject).inherited)
      .map(([name, permission]) => `${name} ${(permission as JsonObject).permission_level}`);

  it('begin with an owner, who is the creator', async () => {
    const answer = await client.ok(`GET ${path}`);
    assert.equal(answer.object_type, 'job');
    assert.deepEqual(await allowed(client.ok(`GET ${path}`)), ['data.scientist@example.com IS_OWNER']);
  });

  it('begin with those that a new job is sent with', async () => {
    const { job_id } = await client.ok('POST /api/2.2/jobs/create', {
      access_control_list: [{ group_name: 'users', permission_level: 'CAN_VIEW' }],
    });
    assert.deepEqual(await allowed(client.ok(`GET /api/2.0/permissions/jobs/${job_id}`)), [
      'data.scientist@example.com IS_OWNER',
      'users CAN_VIEW',
    ]);
  });

  it('are added to, one principal at a time, or replaced as a whole', async () => {
    const viewer = { group_name: 'users', permission_level: 'CAN_VIEW' };
    const runner = { group_name: 'users', permission_level: 'CAN_MANAGE_RUN' };
    await client.ok(`PATCH ${path}`, { access_control_list: [viewer] });
    assert.deepEqual(await allowed(client.ok(`PATCH ${path}`, { access_control_list: [runner] })), [
      'data.scientist@example.com IS_OWNER',
      'users CAN_MANAGE_RUN',
    ]);
    const other = { service_principal_name: 'principal', permission_level: 'IS_OWNER' };
    assert.deepEqual(await allowed(client.ok(`PUT ${path}`, { access_control_list: [other] })), [
      'principal IS_OWNER',
    ]);
  });

  it('always have one owner', async () => {
    assert.match(await client.refused(`PUT ${path}`, { access_control_list: [] }), /exactly one owner/);
    const other = { user_name: 'other@example.com', permission_level: 'IS_OWNER' };
    assert.match(
      await client.refused(`PUT ${path}`, { access_control_list: [OWNER, other] }),
      /exactly one owner/,
    );
    assert.deepEqual(await allowed(client.ok(`PATCH ${path}`, { access_control_list: [other] })), [
      'other@example.com IS_OWNER',
    ]);
  });

  it('name the levels that there are', async () => {
    const { permission_levels } = await client.ok(`GET ${path}/permissionLevels`);
    assert.deepEqual(
      (permission_levels as JsonObject[]).map((one) => one.permission_level),
      ['CAN_VIEW', 'CAN_MANAGE_RUN', 'IS_OWNER', 'CAN_MANAGE'],
    );
  });

  it('are those of a job that is there', async () => {
    assert.match(await client.refused('GET /api/2.0/permissions/jobs/1'), /^404 RESOURCE_DOES_NOT_EXIST/);
  });
});
