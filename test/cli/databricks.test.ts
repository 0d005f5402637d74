import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../local/processes';
import { root } from '../../scripts/paths';
import { skip } from '../support/skip';

/** What the command line says of what it does not know, whether or not it goes on. */
const COMPLAINT =
  /unknown (?:command|flag|shorthand flag|field)|accepts \d+ arg|required flag|requires at least/i;

/** Databricks' own command line, before a service that refuses everything: it judges commands, and nothing is done. */
describe("Databricks' own command line", function () {
  this.timeout(120_000);
  const program = process.env.DATABRICKS_CLI ?? 'databricks';
  let refusing: Server;
  let folder: string;

  before(async function () {
    // It is no package of a registry, and its module is not on offer as one.
    const version = await run(program, ['--version']).catch(() => undefined);
    if (!version?.output.includes('Databricks CLI')) {
      skip(this, "Databricks' command line is not installed; DATABRICKS_CLI may name it");
    }
    folder = mkdtempSync(join(tmpdir(), 'databricks-cli-'));
    refusing = createServer((_, response) => {
      response.writeHead(400, { 'Content-Type': 'application/json' });
      response.end('{"error_code": "INVALID_PARAMETER_VALUE", "message": "Refused."}');
    }).listen(0, '127.0.0.1');
    await once(refusing, 'listening');
  });

  after(() => {
    refusing?.close();
    refusing?.closeAllConnections();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  async function complaintOf(args: readonly string[]): Promise<string | undefined> {
    const { output } = await run(program, args, {
      env: {
        ...process.env,
        DATABRICKS_HOST: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`,
        DATABRICKS_TOKEN: 'a-token',
        DATABRICKS_CONFIG_FILE: join(folder, 'none'),
        HOME: folder,
      },
    });
    return COMPLAINT.test(output) ? output : undefined;
  }

  it('knows every command of the documentation', async () => {
    const pages = [
      'README.md',
      'notebooks/README.md',
      ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
    ];
    const commands = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) => commandsOf(readFileSync(join(root, page), 'utf8')));
    assert.ok(commands.length >= 3, 'docs/set-up.md has some');
    for (const command of commands) assert.equal(await complaintOf(command), undefined, command.join(' '));
  });

  for (const model of ['titanic', 'batcomputer']) {
    it(`knows every setting of the job of ${model}`, async () => {
      const file = join(root, `deploy/databricks/train-${model}-model.json`);
      assert.equal(await complaintOf(['jobs', 'create', '--json', `@${file}`]), undefined);
    });

    it(`knows every setting of that job on a cluster`, async () => {
      const job = JSON.parse(readFileSync(join(root, `deploy/databricks/train-${model}-model.json`), 'utf8'));
      const { job_cluster, policy } = JSON.parse(
        readFileSync(join(root, 'deploy/databricks/classic.json'), 'utf8'),
      );
      const { environments: _, ...settings } = job;
      const file = join(folder, 'job.json');
      writeFileSync(file, JSON.stringify({ ...settings, job_clusters: [job_cluster] }));
      assert.equal(await complaintOf(['jobs', 'create', '--json', `@${file}`]), undefined);
      writeFileSync(file, JSON.stringify({ ...policy, definition: JSON.stringify(policy.definition) }));
      assert.equal(await complaintOf(['cluster-policies', 'create', '--json', `@${file}`]), undefined);
    });
  }

  it('finds what it does not know', async () => {
    assert.match((await complaintOf(['secrets', 'create-scopes', 'a']))!, /unknown command/i);
    assert.match((await complaintOf(['jobs', 'create', '--json', '{"taskss": []}']))!, /unknown field/i);
  });
});

/** The commands of a page's shell blocks, as lists of words. */
function commandsOf(page: string): string[][] {
  return [...page.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)]
    .flatMap(([, block]) => block!.split('\n').map((line) => line.trim()))
    .filter((line) => line.startsWith('databricks '))
    .map((line) => line.split(/\s+/).slice(1));
}
