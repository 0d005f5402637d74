import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceConnection } from '../../../tasks/common/agent';
import { InputReader } from '../../../tasks/common/inputs';
import { readInputs } from '../../../tasks/DatabricksRunJob/inputs';
import { ACCESS, collectLog, ORIGIN } from './support';

describe('the inputs of DatabricksRunJob', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'inputs-'));
    file = join(folder, 'train.py');
    writeFileSync(file, '1');
  });
  after(() => rmSync(folder, { recursive: true }));

  const PIPELINE = { 'Build.BuildId': '7', 'System.TaskInstanceId': 't', 'System.JobAttempt': '1' };

  const connections: Record<string, ServiceConnection> = {
    own: connection('Token', 'https://adb-1.2.azuredatabricks.net/', { apitoken: 'dapi-of-connection' }),
    account: connection('Token', 'https://accounts.azuredatabricks.net', { apitoken: 'dapi-of-connection' }),
    azure: connection('WorkloadIdentityFederation', 'https://management.azure.com/', {
      tenantid: 'tenant',
      serviceprincipalid: 'application',
    }),
  };

  function connection(scheme: string, url: string, parameters: Record<string, string>): ServiceConnection {
    return { id: scheme, scheme, url, parameters, data: () => undefined };
  }

  function read(changes: Record<string, string> = {}, variables: Record<string, string> = PIPELINE) {
    const values: Record<string, string> = {
      databricksHost: `${ORIGIN}/?o=42`,
      databricksToken: 'dapi-0123456789',
      notebookFile: file,
      notebookPath: '/live/train',
      job: 'train',
      ...changes,
    };
    const { log, text } = collectLog();
    const inputs = new InputReader(
      (name) => values[name] || undefined,
      log,
      (id) => connections[id],
    );
    return { options: readInputs({ inputs, variable: (name) => variables[name] }), log: text() };
  }

  it('read what they are given, with defaults for the rest', () => {
    const { stepIdentity, ...options } = read().options;
    assert.deepEqual(options, {
      signIn: {
        workspace: { origin: ORIGIN, workspaceId: '42' },
        credential: { kind: 'token', token: 'dapi-0123456789' },
        access: ACCESS,
      },
      notebookFile: file,
      notebookPath: '/live/train',
      copyPath: undefined,
      copiesPath: undefined,
      job: 'train',
      jobDefinition: undefined,
      parameters: {},
      waitForCompletion: true,
      timeoutMinutes: 0,
      onCancel: 'cancelRun',
      whenBusy: 'queue',
      onPartialSuccess: 'warn',
      repairAttempts: 0,
      exportHtml: false,
      metricsGate: [],
      attempt: 1,
    });
    assert.ok(stepIdentity.includes('7'));
  });

  it('have the token masked before anything else is logged, and never show it', () => {
    const { log } = read({ databricksToken: 'dapi-of-this-test', job: 'dapi-of-this-test' });
    assert.match(log, /^##vso\[task\.setsecret\]dapi-of-this-test$/m);
    assert.equal(log.match(/dapi-of-this-test/g)?.length, 1);
  });

  const waysIn: [inputs: Record<string, string>, credential: object, origin?: string][] = [
    [
      { authType: 'databricksConnection', databricksConnection: 'own', databricksHost: '' },
      { kind: 'token', token: 'dapi-of-connection' },
      'https://adb-1.2.azuredatabricks.net',
    ],
    [
      { authType: 'servicePrincipal', clientId: 'c', clientSecret: 'dose-secret' },
      { kind: 'servicePrincipal', clientId: 'c', clientSecret: 'dose-secret' },
    ],
    [{ authType: 'federation' }, { kind: 'federation', clientId: undefined, serviceConnectionId: undefined }],
    [
      { authType: 'federation', clientId: 'c', azureServiceConnection: 'azure' },
      { kind: 'federation', clientId: 'c', serviceConnectionId: 'azure' },
    ],
  ];
  for (const [inputs, credential, origin = ORIGIN] of waysIn) {
    it(`know the way in ${Object.values(inputs).filter(Boolean).join(', ')}`, () => {
      const { signIn } = read({ databricksToken: '', ...inputs }).options;
      assert.deepEqual(signIn.credential, credential);
      assert.equal(signIn.workspace.origin, origin);
    });
  }

  it('know the way in by a connection to Azure', () => {
    const inputs = {
      authType: 'azureServiceConnection',
      azureServiceConnection: 'azure',
      databricksToken: '',
    };
    const { credential } = read(inputs).options.signIn;
    assert.equal(credential.kind, 'entra');
    assert.equal(credential.kind === 'entra' && credential.connection.clientId, 'application');
  });

  const missing: [inputs: Record<string, string>, message: RegExp][] = [
    [
      { authType: 'databricksConnection' },
      /'databricksConnection' is missing \(with authType 'databricksConn/,
    ],
    [
      { authType: 'databricksConnection', databricksConnection: 'account' },
      /'databricksConnection' names a service connection whose address is .* account console/,
    ],
    [
      { authType: 'databricksConnection', databricksConnection: 'azure' },
      /'databricksConnection' names a service connection that lacks an address, or a way to sign in/,
    ],
    [{ authType: 'azureServiceConnection' }, /'azureServiceConnection' is missing/],
    [{ authType: 'azureServiceConnection', azureServiceConnection: 'own' }, /signs in by 'Token'/],
    [{ authType: 'servicePrincipal', clientSecret: 's' }, /'clientId' is missing \(with authType/],
    [{ authType: 'servicePrincipal', clientId: 'c' }, /'clientSecret' is missing/],
    [{ authType: 'federation', databricksHost: '' }, /'databricksHost' is missing/],
    [{ authType: 'password' }, /'authType'.*token, databricksConnection, .*federation/],
  ];
  for (const [inputs, message] of missing) {
    it(`refuse the way in ${Object.values(inputs).join(', ')}`, () =>
      assert.throws(() => read(inputs), message));
  }

  const mistakes: [input: string, value: string, message: RegExp][] = [
    ['databricksHost', '', /'databricksHost' is missing/],
    ['databricksHost', 'https://https://adb-1.2.azuredatabricks.net', /begins with a scheme twice/],
    ['databricksHost', 'https//adb-1.2.azuredatabricks.net', /does not begin with 'https:\/\/'/],
    ['databricksHost', 'https:/adb-1.2.azuredatabricks.net', /does not begin with 'https:\/\/'/],
    ['job', 'https://adb-1.2.azuredatabricks.net/jobs/684913?o=42', /an address.*its id, which is 684913/],
    ['job', 'https://adb-1.2.azuredatabricks.net/?o=42#job/684913/run/1', /its id, which is 684913/],
    ['job', 'https://adb-1.2.azuredatabricks.net/', /its id, the number on its page/],
    ['databricksHost', 'http://127.evil.example', /would send the token unencrypted/],
    ['databricksHost', 'no url', /'databricksHost' is 'no url', which is not a URL/],
    ['databricksHost', 'https://accounts.azuredatabricks.net', /'databricksHost'.*account console/],
    ['databricksToken', '', /'databricksToken' is missing/],
    [
      'databricksToken',
      '$(databricks-token)',
      /'databricksToken' holds \$\(databricks-token\).*variable group/,
    ],
    [
      'notebookFile',
      '/no/such/file.py',
      /'notebookFile' is '\/no\/such\/file\.py', but there is no such file/,
    ],
    ['notebookPath', 'live/train', /'notebookPath' is 'live\/train', but must begin at the workspace's root/],
    ['notebookPath', '/live/', /'notebookPath'.*is a folder/],
    ['job', '', /'job' is missing/],
    ['job', '9223372036854775808', /'job'.*too long/],
    ['parameters', '{"a": "1", "b": {"a": 1}.c, "a": "2"}', /not valid JSON/],
    ['parameters', '{"a": "1", "b": "\\"a\\":", "\\u0061": "2"}', /'parameters' sets a twice/],
    ['parameters', '[]', /'parameters' is a JSON array/],
    ['timeoutMinutes', '1.5', /'timeoutMinutes'.*whole number/],
    ['onCancel', 'explode', /'onCancel'.*cancelRun, leaveRunning/],
    [
      'jobDefinition',
      '/no/such/job.json',
      /'jobDefinition' is '\/no\/such\/job\.json', but there is no such file/,
    ],
    ['repairAttempts', '11', /'repairAttempts'.*from 0 to 10/],
    ['whenBusy', 'wait', /'whenBusy'.*queue, fail/],
    ['onPartialSuccess', 'maybe', /'onPartialSuccess'.*warn, fail, succeed/],
  ];
  for (const [input, value, message] of mistakes) {
    it(`refuse ${input} '${value}'`, () => {
      assert.throws(
        () => read({ [input]: value }),
        (error: Error) => {
          assert.match(error.message, message);
          assert.equal(error.message.match(/Input '/g)?.length, 1, error.message);
          return true;
        },
      );
    });
  }

  it('report all mistakes together', () => {
    assert.throws(
      () => read({ databricksHost: '', job: '', notebookPath: 'x' }),
      /3 inputs.*Host.*Path.*'job'/,
    );
  });

  it('count as left out where the agent passes the root of the sources for an empty path', () => {
    const variables = { ...PIPELINE, 'Build.SourcesDirectory': folder };
    assert.equal(read({ jobDefinition: `${folder}/` }, variables).options.jobDefinition, undefined);
    assert.throws(() => read({ notebookFile: folder }, variables), /'notebookFile' is missing/);
  });

  it('take the largest id there can be', () => {
    assert.equal(read({ job: '9223372036854775807' }).options.job, '9223372036854775807');
  });

  it('run a job as it is where there is no notebook, and take the two notebook inputs only together', () => {
    const { options: inputs } = read({ notebookFile: '', notebookPath: '' });
    assert.deepEqual([inputs.notebookFile, inputs.notebookPath], [undefined, undefined]);
    assert.throws(() => read({ notebookPath: '' }), /'notebookPath' is missing.*leave both empty/);
    assert.throws(() => read({ notebookFile: '' }), /'notebookFile' is missing.*leave both empty/);
  });

  it('take a folder, for a folder of the workspace', () => {
    const { options: inputs } = read({ notebookFile: folder, notebookPath: '/live/train/' });
    assert.deepEqual([inputs.notebookFile, inputs.notebookPath], [folder, '/live/train']);
    for (const path of ['/', '/Workspace', '/Workspace/']) {
      assert.throws(
        () => read({ notebookFile: folder, notebookPath: path }),
        /'notebookPath'.*the whole workspace/,
      );
    }
  });

  it('suggest a path from the root for one that lacks only its slash', () => {
    assert.throws(() => read({ notebookPath: 'live/train' }), /such as '\/live\/train'/);
    assert.throws(() => read({ notebookPath: 'train' }), /such as '\/live\/train'/);
  });

  it('refuse a gate without an end of the run to wait for, and lines that are no conditions', () => {
    assert.throws(
      () => read({ metricsGate: 'a > 1', waitForCompletion: 'false' }),
      /'metricsGate' needs the end/,
    );
    assert.throws(() => read({ metricsGate: 'a > 1\nrocAuc' }), /'metricsGate' has the line 'rocAuc'/);
  });

  describe('identify the step', () => {
    const named = { ...PIPELINE, 'System.TaskInstanceName': 'train' };
    const of = (variables: Record<string, string>, onRerun = '') => {
      const { stepIdentity, attempt } = read({ onRerun }, variables).options;
      return { stepIdentity, attempt };
    };
    const rerun = { ...named, 'System.JobAttempt': '2', 'System.TaskInstanceId': 'u', 'System.JobId': 'j' };

    it('as the same in each attempt, so that a rerun finds its run', () => {
      assert.deepEqual(of(named).stepIdentity, of(rerun).stepIdentity);
      assert.deepEqual([of(named).attempt, of(rerun).attempt], [1, 2]);
    });

    it('as the same in each attempt at a release, which has a plan of its own', () => {
      const release = {
        ...named,
        'Build.BuildId': '',
        'Release.ReleaseId': '3',
        'Release.EnvironmentId': '9',
      };
      const first = { ...release, 'Release.AttemptNumber': '1', 'System.PlanId': 'p' };
      const second = { ...release, 'Release.AttemptNumber': '2', 'System.PlanId': 'q' };
      assert.deepEqual(of(first).stepIdentity, of(second).stepIdentity);
      assert.equal(of(second).attempt, 2);
    });

    it('as another in each attempt where a rerun is to start anew, or where the step has no name', () => {
      assert.notDeepEqual(of(named, 'startAnew').stepIdentity, of(rerun, 'startAnew').stepIdentity);
      assert.deepEqual(of(named, 'startAnew').stepIdentity, of(named, 'startAnew').stepIdentity);
      assert.notDeepEqual(
        of(PIPELINE).stepIdentity,
        of({ ...PIPELINE, 'System.JobAttempt': '2' }).stepIdentity,
      );
    });

    for (const name of ['Build.BuildId', 'System.StageName', 'System.JobName', 'System.TaskInstanceName']) {
      it(`as another with another ${name}`, () =>
        assert.notDeepEqual(of(named).stepIdentity, of({ ...named, [name]: 'other' }).stepIdentity));
    }
  });

  describe('give an isolated step a path of its own', () => {
    const named = { ...PIPELINE, 'System.TaskInstanceName': 'train' };
    const rerun = { ...named, 'System.JobAttempt': '2', 'System.TaskInstanceId': 'u', 'System.JobId': 'j' };
    const pathOf = (variables: Record<string, string>, changes: Record<string, string> = {}) =>
      read({ isolate: 'true', ...changes }, variables).options.copyPath;

    it('beside the notebook, or below the folder', () => {
      assert.match(pathOf(named)!, /^\/live\/train-isolated-[0-9a-f]{16}$/);
      assert.match(pathOf(named, { notebookFile: folder })!, /^\/live\/train\/isolated-[0-9a-f]{16}$/);
      assert.equal(pathOf(named, { isolate: 'false' }), undefined);
    });

    it('that every attempt has which may take over another’s run', () => {
      assert.equal(pathOf(named), pathOf(rerun));
    });

    it('that one attempt alone has where each starts anew, beside the others', () => {
      const anew = { onRerun: 'startAnew' };
      assert.notEqual(pathOf(named, anew), pathOf(rerun, anew));
      assert.equal(pathOf(named, anew), pathOf(named, anew));
      const { copyPath, copiesPath } = read({ isolate: 'true', ...anew }, rerun).options;
      assert.equal(copiesPath, pathOf(named));
      assert.match(copyPath!.slice(copiesPath!.length), /^-[0-9a-f]{16}$/);
    });

    it('that no other step, run or start has', () => {
      const others = [named, { ...named, 'Build.BuildId': '8' }, { ...named, 'System.JobName': 'b' }, {}, {}];
      assert.equal(new Set(others.map((variables) => pathOf(variables))).size, others.length);
    });
  });

  it('identify every start outside a pipeline as a step of its own', () => {
    assert.notDeepEqual(read({}, {}).options.stepIdentity, read({}, {}).options.stepIdentity);
  });
});
