import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { HttpClient } from '../tasks/common/http';
import { createLogger } from '../tasks/common/log';
import type { Inputs } from '../tasks/DatabricksRunJob/inputs';
import { runJob } from '../tasks/DatabricksRunJob/run-job';

/*
 * A process that runs a job for six hours of a clock that does not wait, with real requests, and then prints what
 * memory it needed. Arguments: the workspace's address, its token, and the folder with the notebook.
 */

const [origin = '', token = '', folder = ''] = process.argv.slice(2);
const HOUR = 3_600_000;

let now = 0;
const clock = {
  now: () => now,
  async sleep(milliseconds: number) {
    now += milliseconds;
    await setImmediate();
  },
};
const { signal } = new AbortController();
const log = createLogger(() => {});
const http = new HttpClient({
  log,
  signal,
  network: { proxyFor: () => undefined, tls: {} },
  userAgent: 'six-hours',
});
const options: Inputs = {
  signIn: {
    workspace: { origin, workspaceId: undefined },
    credential: { kind: 'token', token },
    access: { host: 'the first argument', token: 'the second argument is a token' },
  },
  notebookFile: join(folder, 'train.py'),
  notebookPath: '/Shared/train',
  copyPath: undefined,
  copiesPath: undefined,
  job: 'train',
  jobDefinition: undefined,
  parameters: {},
  whenBusy: 'queue',
  waitForCompletion: true,
  timeoutMinutes: 6 * 60,
  onCancel: 'cancelRun',
  onPartialSuccess: 'warn',
  repairAttempts: 0,
  exportHtml: false,
  metricsGate: [],
  attempt: 1,
  stepIdentity: ['six hours'],
};
const nothing = () => undefined;

runJob(options, {
  log,
  signal,
  http,
  clock,
  tempFolder: folder,
  variable: nothing,
  setOutput: nothing,
  uploadSummary: nothing,
  attach: nothing,
  oidcToken: async () => '',
}).then(
  () => process.exit(1),
  () => {
    const megabytes = process.resourceUsage().maxRSS / 1024;
    process.stdout.write(JSON.stringify({ hours: now / HOUR, megabytes }), () => process.exit(0));
  },
);
