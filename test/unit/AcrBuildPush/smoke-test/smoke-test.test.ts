import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { removeForgottenContainer } from '../../../../tasks/AcrBuildPush/docker/container';
import { parseSmokeCheck, type SmokeCheck } from '../../../../tasks/AcrBuildPush/smoke-checks';
import { SmokeTest } from '../../../../tasks/AcrBuildPush/smoke-test/smoke-test';
import { fakeDocker, scriptedServer, temporaryFolder } from '../support';

const IMAGE = `registry.example/titanic@sha256:${'a'.repeat(64)}`;

/** A docker whose containers listen where the test does; notes what it is called with. */
const DOCKER = `
echo "$*" >> "$LAB/calls"
case "$1 $2" in
"version "*) echo '{"Client":{"Version":"28.2.2"},"Server":{"Version":"28.2.2","Os":"linux","Arch":"amd64"}}';;
"info "*) echo '8000000000 4';;
"context inspect") echo unix:///var/run/docker.sock;;
"image inspect") case "$*" in *Exposed*) cat "$LAB/exposed";; *) test -e "$LAB/pulled" && echo sha256:1;; esac;;
"pull "*) touch "$LAB/pulled";;
"run "*) [ -e "$LAB/no-start" ] && { echo 'exec: "nothing": not found' >&2; exit 127; }; exit 0;;
"inspect "*) case "$*" in *Running*) cat "$LAB/state";; *) echo "$PORT"; echo /;; esac;;
"logs "*) echo 'it began'; echo 'a bug' >&2;;
esac`;

describe('The smoke test', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  let answer: RequestListener;
  let env: NodeJS.ProcessEnv;
  let names: string[];

  beforeEach(async () => {
    folder = temporaryFolder();
    names = [];
    server = await scriptedServer((request, response) => answer(request, response));
    const port = server.host.split(':')[1]!;
    env = { ...process.env, ...fakeDocker(folder.path, DOCKER), LAB: folder.path, PORT: port };
    lab('exposed', '8000/tcp\n');
    lab('state', 'true 0 false\n');
  });
  afterEach(() => {
    server.stop();
    folder.remove();
  });

  const lab = (name: string, text: string) => writeFileSync(join(folder.path, name), text);
  const calls = () => readFileSync(join(folder.path, 'calls'), 'utf8').trim().split('\n');
  const removed = () => calls().filter((call) => call.startsWith('rm --force'));

  async function run(
    lines: readonly string[],
    { image = IMAGE, startLimit = 60_000, cancel = new AbortController() } = {},
  ) {
    const test = new SmokeTest(
      lines.map((line) => parseSmokeCheck(line) as SmokeCheck),
      {
        log: server.log,
        signal: cancel.signal,
        env,
        client: undefined,
        onContainer: (name) => names.push(name),
        startLimit,
      },
    );
    await test.prepare();
    await test.run(image);
  }

  it('asks a container of the image, within limits, and leaves nothing behind', async () => {
    const asked: string[] = [];
    answer = (request, response) => {
      request.setEncoding('utf8');
      request.on('data', (text: string) => asked.push(`${request.headers['content-type']} ${text}`));
      request.on('end', () => response.end('{"prediction": 0, "odds": [0.1]}'));
    };
    await run(['GET /api/health 200', 'POST /api/predict {"class": "1st"} 200 /prediction /odds/0']);
    assert.deepEqual(server.requests, ['GET /api/health', 'POST /api/predict']);
    assert.deepEqual(asked, ['application/json {"class": "1st"}']);
    const start = calls().find((call) => call.startsWith('run '))!;
    assert.ok(start.includes('--memory 6000000000') && start.includes('--cpus 2'), start);
    assert.ok(start.includes('--pids-limit') && start.includes('--publish 127.0.0.1::8000'), start);
    assert.ok(start.endsWith(IMAGE) && start.includes(names[0]!), start);
    assert.deepEqual(removed(), [`rm --force --volumes ${names[0]}`]);
    assert.ok(calls().includes(`image rm ${IMAGE}`), 'what was pulled for the test stays');
  });

  it('waits until the server is ready', async () => {
    let count = 0;
    answer = (request, response) => {
      count++;
      if (count === 1) request.socket.destroy();
      else response.writeHead(count === 2 ? 503 : 200).end();
    };
    await run(['GET /api/health 200']);
    assert.equal(count, 3);
  });

  it('leaves an image in the engine that was there before', async () => {
    answer = (_, response) => response.end();
    lab('pulled', '');
    await run(['GET / 200']);
    assert.ok(!calls().some((call) => call.startsWith('pull') || call.startsWith('image rm')));
  });

  for (const [title, line, reply, problem] of [
    [
      'another status',
      'GET /x 200',
      [500, 'no model'],
      /GET \/x: it answered 500, not 200: no model\. No tag was set/,
    ],
    ['no JSON', 'GET /x 200 /a', [200, 'hello'], /it answered 200, but not in JSON: hello/],
    [
      'nothing where it is to be',
      'GET /x 200 /a/b',
      [200, '{"a": {}}'],
      /but has nothing at \/a\/b: \{"a": \{\}\}/,
    ],
    ['null where a value is to be', 'GET /x 200 /a', [200, '{"a": null}'], /but has nothing at \/a/],
  ] as const) {
    it(`fails where the answer has ${title}, with the container's last lines`, async () => {
      answer = (_, response) => response.writeHead(reply[0]).end(reply[1]);
      await assert.rejects(run([line]), { message: problem, details: ['it began', 'a bug'] });
      assert.equal(removed().length, 1);
    });
  }

  it('takes answers as large as pictures, and ones with a mark before their JSON', async () => {
    answer = (request, response) =>
      response.end(request.url === '/json' ? '\uFEFF{"a": 1}' : Buffer.alloc(5_000_000));
    await run(['GET /picture 200', 'GET /json 200 /a']);
  });

  it('fails at once where an answer is larger than is read', async () => {
    answer = (_, response) => response.end(Buffer.alloc(40_000_000));
    await assert.rejects(run(['GET /all 200']), { message: /failed at GET \/all: .*larger than/ });
    assert.equal(server.requests.length, 1);
  });

  it('fails at once where the container has ended', async () => {
    answer = (request) => request.socket.destroy();
    for (const [state, problem] of [
      ['false 3 false', /the container does not run: it ended with exit code 3\. No tag/],
      ['false 137 true', /the container does not run: it used up its memory/],
    ] as const) {
      lab('state', state);
      await assert.rejects(run(['GET / 200']), { message: problem });
    }
    assert.equal(removed().length, 2);
  });

  it('fails where the container does not start, or is not ready in time', async () => {
    answer = (_, response) => response.writeHead(503).end('loading');
    await assert.rejects(run(['GET / 200'], { startLimit: 1 }), {
      message: /was not ready within 0\.0 s: it answered 503, not 200: loading/,
    });
    lab('no-start', '');
    await assert.rejects(run(['GET / 200']), {
      message: /Docker did not start a container of .* \(exit code 127\)/,
      details: ['exec: "nothing": not found', 'it began', 'a bug'],
    });
    assert.equal(removed().length, 2);
  });

  it('asks for the port where the image does not tell which', async () => {
    answer = (_, response) => response.end();
    for (const [exposed, what] of [
      ['', 'no port'],
      ['80/tcp\n81/tcp\n82/udp\n', 'the ports 80, 81'],
    ] as const) {
      lab('exposed', exposed);
      await assert.rejects(run(['GET / 200']), { message: new RegExp(`the image exposes ${what}\\.`) });
    }
    await run(['GET :81/ 200']);
    assert.ok(calls().some((call) => call.includes('--publish 127.0.0.1::81')));
  });

  it('is refused before anything is built where no engine answers', async () => {
    env = { ...env, PATH: join(folder.path, 'nowhere') };
    await assert.rejects(run(['GET / 200']), {
      name: 'TaskError',
      message: /Docker is not installed .* Input 'smokeTest' needs an engine/,
    });
  });

  it('removes the container when the step is canceled', async () => {
    const cancel = new AbortController();
    answer = () => cancel.abort();
    await assert.rejects(run(['GET / 200'], { cancel }), { name: 'CancelledError' });
    assert.deepEqual(removed(), [`rm --force --volumes ${names[0]}`]);
  });

  it('leaves the rest to the end of the job, which removes no container but its own', async () => {
    const variable = 'VSTS_TASKVARIABLE_SMOKETESTCONTAINER';
    for (const name of ['', 'database', '--volumes', 'acr-build-push-x; rm']) {
      await removeForgottenContainer({ ...env, [variable]: name }, server.log);
    }
    assert.ok(!existsSync(join(folder.path, 'calls')), 'docker was called');
    const name = 'acr-build-push-00000000-0000-4000-8000-000000000000';
    await removeForgottenContainer({ ...env, [variable]: name }, server.log);
    assert.deepEqual(calls(), [`rm --force --volumes ${name}`]);
  });
});
