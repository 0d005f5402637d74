import assert from 'node:assert/strict';
import { DatabricksClient } from '../../../../tasks/common/databricks/client';
import { DatabricksError, isNotFound, isOutage } from '../../../../tasks/common/databricks/errors';
import { ConnectionError, type HttpAnswer } from '../../../../tasks/common/http';
import {
  ACCESS,
  answer,
  clientOf,
  collectLog,
  FakeClock,
  FakeDatabricks,
  failure,
  inTurn,
  ORIGIN,
} from '../../DatabricksRunJob/support';

const CALL = { action: 'list the jobs', permission: "'Can View' on the jobs" };
const PATH = '/api/2.2/jobs/list';

async function errorFor(reply: HttpAnswer): Promise<DatabricksError> {
  const client = clientOf(new FakeDatabricks().on('GET jobs/list', reply));
  const error = await client.get(PATH, {}, CALL).then(
    () => assert.fail('The call succeeded.'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof DatabricksError, String(error));
  return error;
}

describe('the Databricks client', () => {
  it('sends the token with every request, and queries without what is undefined', async () => {
    const fake = new FakeDatabricks().on('GET jobs/list', { jobs: [] });
    await clientOf(fake).get(PATH, { name: 'a b&c', page_token: undefined }, CALL);
    const [received] = fake.received;
    assert.equal(received?.request.headers?.Authorization, 'Bearer dapi-secret');
    assert.deepEqual(received?.query, { name: 'a b&c' });
  });

  it('asks the token provider anew for each call', async () => {
    const fake = new FakeDatabricks().on('GET jobs/list', {});
    let tokens = 0;
    const { signal } = new AbortController();
    const options = {
      workspace: { origin: ORIGIN, workspaceId: '42' },
      access: ACCESS,
      http: fake,
      log: collectLog().log,
      signal,
      clock: new FakeClock(),
    };
    const client = new DatabricksClient({ ...options, token: async () => `token-${++tokens}` });
    await client.get(PATH, {}, CALL);
    await client.get(PATH, {}, CALL);
    assert.deepEqual(
      fake.received.map(({ request }) => request.headers?.Authorization),
      ['Bearer token-1', 'Bearer token-2'],
    );
  });

  it('tells the host which workspace is meant, where that is known', async () => {
    for (const workspaceId of ['42', undefined]) {
      const fake = new FakeDatabricks().on('GET jobs/list', {});
      const { signal } = new AbortController();
      const client = new DatabricksClient({
        workspace: { origin: ORIGIN, workspaceId },
        access: ACCESS,
        http: fake,
        log: collectLog().log,
        signal,
        clock: new FakeClock(),
        token: async () => 'dapi',
      });
      await client.get(PATH, {}, CALL);
      assert.equal(fake.received[0]?.request.headers?.['X-Databricks-Workspace-Id'], workspaceId);
    }
  });

  const revoked = failure(401, 'UNAUTHENTICATED', 'Credential was revoked.');

  it('sends any call again with a new token when the one in hand is refused', async () => {
    const fake = new FakeDatabricks().on('POST jobs/create', inTurn(revoked, { job_id: 7 }));
    const client = clientOf(fake, undefined, undefined, async (refused) => (refused ? 'new' : 'old'));
    assert.deepEqual(await client.post('/api/2.2/jobs/create', {}, CALL), { job_id: 7 });
    assert.deepEqual(
      fake.received.map(({ request }) => request.headers?.Authorization),
      ['Bearer old', 'Bearer new'],
    );
  });

  for (const message of ['Invalid access token.', 'Token is expiring within 30 seconds']) {
    it(`sends a call again with a new token after a 403 that says: ${message}`, async () => {
      const refusal = failure(403, '', message);
      const fake = new FakeDatabricks().on('GET jobs/list', inTurn(refusal, { jobs: [] }));
      const client = clientOf(fake, undefined, undefined, async (refused) => (refused ? 'new' : 'old'));
      assert.deepEqual(await client.get(PATH, {}, CALL), { jobs: [] });
      const never = new FakeDatabricks().on('GET jobs/list', refusal);
      const other = clientOf(never, undefined, undefined, async (refused) => (refused ? 'new' : 'old'));
      await assert.rejects(other.get(PATH, {}, CALL), /does not accept the token/);
      assert.equal(never.received.length, 2);
    });
  }

  it('reports a refusal that another token does not mend, or for which there is no other', async () => {
    for (const [token, requests] of [
      [async (refused?: string) => (refused ? 'new' : 'old'), 2],
      [async () => 'dapi', 1],
    ] as const) {
      const fake = new FakeDatabricks().on('GET jobs/list', revoked);
      await assert.rejects(
        clientOf(fake, undefined, undefined, token).get(PATH, {}, CALL),
        /does not accept/,
      );
      assert.equal(fake.received.length, requests);
    }
  });

  it('takes an empty answer to a change for a success', async () => {
    const client = clientOf(new FakeDatabricks().on('POST runs/cancel', answer(200, '')));
    assert.deepEqual(await client.post('/api/2.2/jobs/runs/cancel', { run_id: 1n }, CALL), {});
  });

  const shapes: [title: string, reply: HttpAnswer, code: string, reason: string][] = [
    ['JSON of today', failure(400, 'INVALID_STATE', 'Not now.'), 'INVALID_STATE', 'Not now.'],
    ['a numeric code', answer(400, { error_code: 1234, message: 'Odd' }), '1234', 'Odd'],
    ['API 1.2', answer(400, { error: 'Old times' }), '', 'Old times'],
    [
      'SCIM',
      answer(400, { detail: 'No user', status: '400', scimType: 'invalidValue' }),
      'invalidValue',
      'No user',
    ],
    ['CODE: message', answer(400, 'MALFORMED_REQUEST: Bad body'), 'MALFORMED_REQUEST', 'Bad body'],
    [
      'a page with <pre>',
      answer(404, '<html><body><h2>Error</h2><pre>No  such\nthing</pre></body></html>'),
      '',
      'No such thing',
    ],
    ['nothing', answer(400, ''), '', ''],
    ['null', answer(400, 'null'), '', 'null'],
  ];
  for (const [title, reply, code, reason] of shapes) {
    it(`reads an error worded as ${title}`, async () => {
      const { answer: read } = await errorFor(reply);
      assert.deepEqual([read.status, read.code, read.reason], [reply.status, code, reason]);
    });
  }

  it('keeps what an error says further', async () => {
    const details = [
      { '@type': 'type.googleapis.com/google.rpc.RequestInfo', request_id: 'x' },
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', metadata: { existing_type: 'FILE' } },
    ];
    const error = await errorFor(failure(400, 'INVALID_PARAMETER_VALUE', 'Mismatch', details));
    assert.equal(error.answer.metadata.existing_type, 'FILE');
  });

  const remedies: [title: string, reply: HttpAnswer, message: RegExp][] = [
    [
      'a wrong token',
      failure(401, 'UNAUTHENTICATED', 'Credential was not sent or invalid'),
      /does not accept the token.*'databricksToken'.*adb-1234567890123456/,
    ],
    [
      'a wrong token, as a page',
      answer(403, '<html><pre>Invalid access token.</pre></html>'),
      /does not accept the token.*'databricksToken'/,
    ],
    [
      'a wrong token, as JSON',
      answer(403, { error_code: 403, message: 'Invalid access token.' }),
      /does not accept the token/,
    ],
    [
      'an expired token',
      failure(401, 'UNAUTHENTICATED', 'Access token has expired'),
      /The token has expired.*Make a new one.*'databricksToken'/,
    ],
    [
      'no permission',
      failure(403, 'PERMISSION_DENIED', 'User x lacks View'),
      /may not list the jobs.*User x lacks View.*give that user 'Can View' on the jobs/,
    ],
    [
      'an address that is not allowed',
      answer(403, {
        error_code: 403,
        message: 'Source IP address: 20.1.2.3 is blocked by Databricks IP ACL for workspace: 1',
      }),
      /IP access list of https.*20\.1\.2\.3.*self-hosted agent.*\(HTTP 403: Source IP/,
    ],
    [
      'a network that is not admitted',
      failure(403, 'PERMISSION_DENIED', 'Unauthorized network access to workspace: 1'),
      /no requests from the public network.*self-hosted agent.*Private Link/,
    ],
    [
      'a workspace without public access, as a page',
      answer(403, '<html><pre>Public access is not allowed for workspace: 1</pre></html>'),
      /no requests from the public network/,
    ],
    [
      'a workspace without personal access tokens',
      failure(403, 'FEATURE_DISABLED', 'Personal access tokens are not enabled for this workspace'),
      /takes no personal access tokens.*'authType'/,
    ],
    ['a request that is too large', answer(413, ''), /too large.*Clear the outputs/],
    [
      'an API that is not there',
      answer(404, 'Bad Target: /api/2.2/jobs/list'),
      /does not know the API.*'databricksHost'/,
    ],
    [
      'Private Link',
      answer(302, '', { location: '/login.html?error=private-link-validation-error:1' }),
      /Private Link.*private network/,
    ],
    [
      'a login page',
      answer(303, '', { location: 'https://login.example.org/signin?secret=1' }),
      /redirected to https:\/\/login\.example\.org\/signin instead.*'databricksHost'/,
    ],
    [
      'a page in place of the answer',
      answer(200, '<!doctype html><title>Welcome</title>'),
      /web page.*Welcome.*'databricksHost'/,
    ],
    [
      'an unknown error',
      failure(400, 'INVALID_STATE', 'Not now.'),
      /could not list the jobs \(HTTP 400 INVALID_STATE: Not now\)\./,
    ],
  ];
  for (const [title, reply, message] of remedies) {
    it(`says what to do about ${title}`, async () => {
      const error = await errorFor(reply);
      assert.match(error.message, message);
      assert.ok(!error.message.includes('secret'));
    });
  }

  it('says what was wanted when the host is out of reach', async () => {
    const client = clientOf({
      send: async () => {
        throw new ConnectionError('No connection to adb-1.2.azuredatabricks.net: no such host.');
      },
    });
    await assert.rejects(client.get(PATH, {}, CALL), (error) => {
      assert.ok(error instanceof ConnectionError);
      assert.match(error.message, /could not be asked to list the jobs.*no such host.*'databricksHost'/);
      return true;
    });
  });

  it('tells jobs and objects that do not exist from other mistakes', async () => {
    assert.ok(isNotFound(await errorFor(failure(400, 'INVALID_PARAMETER_VALUE', 'Job 123 does not exist.'))));
    assert.ok(
      isNotFound(await errorFor(failure(400, 'INVALID_PARAMETER_VALUE', "Run: 1 in job: 2 doesn't exist"))),
    );
    for (const reply of [
      failure(404, 'RESOURCE_DOES_NOT_EXIST', 'No.'),
      failure(404, 'NOT_FOUND', 'No.'),
      answer(404, ''),
    ]) {
      assert.ok(isNotFound(await errorFor(reply)));
    }
    assert.ok(!isNotFound(await errorFor(failure(404, 'ENDPOINT_NOT_FOUND', 'No API'))));
    assert.ok(!isNotFound(await errorFor(failure(400, 'INVALID_PARAMETER_VALUE', 'Bad limit'))));
    assert.ok(!isNotFound(await errorFor(answer(404, '<html>'))));
  });

  it('names a code once where it is the status', async () => {
    const { message } = await errorFor(answer(403, { error_code: 403, message: 'No view' }));
    assert.match(message, /\(HTTP 403: No view\)/);
  });

  const passing: [title: string, reply: HttpAnswer][] = [
    ['503', failure(503, 'TEMPORARILY_UNAVAILABLE', '')],
    ['429', failure(429, 'REQUEST_LIMIT_EXCEEDED', 'Slow down')],
    ['a gateway page', answer(502, '<html>Bad gateway</html>')],
    ['null with status 200', answer(200, 'null')],
    ['a list with status 200', answer(200, '[]')],
    ['a page with status 200', answer(200, '<html>Maintenance</html>')],
    ['a lock', failure(400, 'COULD_NOT_ACQUIRE_LOCK', 'Busy')],
    ['a cluster that is not ready', failure(400, 'INVALID_STATE', 'ClusterNotReadyException: wait')],
  ];
  for (const [title, reply] of passing) {
    it(`takes ${title} for a passing outage`, async () => assert.ok(isOutage(await errorFor(reply))));
  }
  for (const reply of [
    failure(401, '', ''),
    failure(403, '', ''),
    failure(400, 'INVALID_STATE', 'No'),
    answer(404, '<html>'),
    answer(302),
  ]) {
    it(`takes ${reply.status} for final`, async () => assert.ok(!isOutage(await errorFor(reply))));
  }

  it('repeats by itself what only the body shows to be passing', async () => {
    const lock = failure(400, 'COULD_NOT_ACQUIRE_LOCK', 'Busy');
    const fake = new FakeDatabricks().on('POST workspace/mkdirs', inTurn(lock, lock, {}));
    await clientOf(fake).post('/api/2.0/workspace/mkdirs', { path: '/a' }, { ...CALL, repeatable: true });
    assert.equal(fake.received.length, 3);
  });

  it('never repeats a change that is not repeatable', async () => {
    const fake = new FakeDatabricks().on('POST jobs/create', failure(400, 'COULD_NOT_ACQUIRE_LOCK', 'Busy'));
    await assert.rejects(clientOf(fake).post('/api/2.2/jobs/create', {}, CALL), /Busy/);
    assert.equal(fake.received.length, 1);
    assert.equal(fake.received[0]?.request.repeatable, false);
  });
});
