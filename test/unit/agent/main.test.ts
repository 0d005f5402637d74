// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsStep, jsTask, ToyAgent } from './toy-extension';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describe('The command that runs a pipeline', () => {
  let agent: ToyAgent;
  let place: string;
  before(() => {
    agent = new ToyAgent([jsTask]);
    place = `--vsix ${agent.vsix} --sources ${agent.sources}`;
  });
  after(() => agent.remove());

  function start(args: string[], onOutput: (text: string, child: ChildProcess) => void = () => {}) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'local/agent/main.ts', ...args], { cwd: root });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        onOutput(output, child);
      });
    }
    return new Promise<{ code: number | null; output: string }>((resolve) => {
      child.on('close', (code) => resolve({ code, output }));
    });
  }

  it('prints the log, writes the page and ends with 0', async () => {
    agent.write(
      'p.yaml',
      'parameters: [ { name: who } ]\nvariables: [ { group: g } ]\nsteps:\n- script: echo "$(hello) ${{ parameters.who }} $(token)"\n',
    );
    const groups = join(agent.folder, 'groups.yaml');
    const page = join(agent.folder, 'page.html');
    writeFileSync(groups, 'g: { secrets: { token: hunter2 } }');
    const { code, output } = await start(
      `${agent.sources}/p.yaml ${place} --variable-groups ${groups} --variable hello=a=b --parameter who=me --page ${page}`.split(
        ' ',
      ),
    );
    assert.match(output, /^a=b me \*\*\*$/m);
    assert.match(output, /p #\d{8}\.1: Succeeded\. Logs: /);
    assert.equal(code, 0);
    assert.match(readFileSync(page, 'utf8'), /a=b me \*\*\*/);
  });

  it('takes service connections from a file', async () => {
    const inputs = [{ name: 'connection', type: 'connectedService:Generic' }];
    const script = "console.log('It is at ' + process.env['ENDPOINT_URL_' + process.env.INPUT_CONNECTION])";
    agent.pack([jsTask, { name: 'Connect', inputs, code: script }]);
    agent.write('c.yaml', 'steps: [ { task: Connect@1, inputs: { connection: mine } } ]');
    const connections = join(agent.folder, 'connections.yaml');
    writeFileSync(
      connections,
      'connections: { mine: { type: Generic, url: "https://example.com/", scheme: None } }',
    );
    const args = [`${agent.sources}/c.yaml`, ...place.split(' '), '--service-connections', connections];
    const { code, output } = await start(args);
    assert.match(output, /^It is at https:\/\/example\.com\/$/m);
    assert.equal(code, 0);
  });

  it('cancels the run on Ctrl-C and ends with 1', async () => {
    agent.write(
      'slow.yaml',
      `steps:\n${jsStep("setInterval(() => {}, 1e6); process.on('SIGINT', () => process.exit()); console.log('re' + 'ady')")}`,
    );
    let interrupted = false;
    const { code, output } = await start(
      [`${agent.sources}/slow.yaml`, ...place.split(' ')],
      (text, child) => {
        if (!/^ready$/m.test(text) || interrupted) return;
        interrupted = true;
        child.kill('SIGINT');
      },
    );
    assert.match(output, /The operation was canceled/);
    assert.match(output, /: Canceled\./);
    assert.equal(code, 1);
  });

  it('names what is wrong and ends with 1, or explains itself and ends with 2', async () => {
    const [wrong, misused] = await Promise.all([
      start([`${agent.sources}/no.yaml`, ...place.split(' ')]),
      start([]),
    ]);
    assert.deepEqual(wrong, { code: 1, output: 'The pipeline file no.yaml does not exist.\n' });
    assert.match(misused.output, /npm run agent -- <pipeline\.yaml> \[options\]/);
    assert.equal(misused.code, 2);
  });
});
