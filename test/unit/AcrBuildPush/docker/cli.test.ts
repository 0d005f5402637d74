import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { DockerCli, splitLines } from '../../../../tasks/AcrBuildPush/docker/cli';
import { CancelledError, TaskError } from '../../../../tasks/common/errors';
import { createLogger } from '../../../../tasks/common/log';
import { rememberSecret } from '../../../../tasks/common/secrets';
import { capturedLog, fakeDocker, temporaryFolder } from '../support';

describe('the docker command line tool', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let cancel: AbortController;
  beforeEach(() => {
    folder = temporaryFolder();
    cancel = new AbortController();
  });
  afterEach(() => folder.remove());

  function docker(script: string, env: NodeJS.ProcessEnv = {}) {
    return new DockerCli({
      env: { ...fakeDocker(folder.path, script), ...env },
      signal: cancel.signal,
      log: capturedLog().log,
    });
  }

  it('gives its output and its exit code', async () => {
    const cli = docker('echo "to stdout: $*"; echo to stderr >&2; exit 3');
    assert.deepEqual(await cli.capture(['version', '--format', 'a b'], 10_000), {
      exitCode: 3,
      stdout: 'to stdout: version --format a b',
      stderr: 'to stderr',
    });
  });

  it('stops a command that was given up before it began', async () => {
    const cli = docker('exec sleep 60');
    const { exitCode } = await cli.read(['push'], async () => undefined, AbortSignal.abort());
    assert.notEqual(exitCode, 0);
  });

  it('hands on lines as they come, with their source', async () => {
    const lines: string[] = [];
    const cli = docker('echo one; printf "two\\r\\nthree"; echo four >&2');
    assert.equal(await cli.stream(['build'], (line, source) => lines.push(`${source} ${line}`)), 0);
    assert.deepEqual(lines.sort(), ['stderr four', 'stdout one', 'stdout three', 'stdout two']);
  });

  it('gives an answer whole, however long', async () => {
    const { stdout } = await docker(`printf '%0250000d' 0`).capture(['inspect'], 30_000);
    assert.equal(stdout.length, 250_000);
  });

  it('runs with the environment that it was given, and nothing more', async () => {
    const cli = docker('echo "$DOCKER_CONFIG,$EXTRA,$HOME"', { DOCKER_CONFIG: '/private' });
    const lines: string[] = [];
    await cli.stream(['push'], (line) => lines.push(line), { EXTRA: 'yes' });
    assert.deepEqual(lines, ['/private,yes,']);
  });

  it('is missed with a remedy', async () => {
    const cli = new DockerCli({
      env: { PATH: folder.path },
      signal: cancel.signal,
      log: capturedLog().log,
    });
    await assert.rejects(cli.capture(['version'], 10_000), {
      name: 'TaskError',
      message: /^Docker is not installed on this agent, or not on its PATH\. Install it/,
    });
  });

  it('is interrupted, with what it started, when the step is cancelled', async () => {
    const ended = join(folder.path, 'ended');
    // Stands for docker and a plugin of it: both must get the signal.
    const cli = docker(`
      trap 'echo docker >> "${ended}"; exit 130' INT
      sh -c 'trap "echo plugin >> ${ended}; exit" INT; echo started; while :; do sleep 0.05; done'`);
    await assert.rejects(
      cli.stream(['build'], () => cancel.abort()),
      CancelledError,
    );
    assert.equal(readFileSync(ended, 'utf8'), 'plugin\ndocker\n');
  });

  it('is not started any more when the step was cancelled', async () => {
    const marker = join(folder.path, 'ran');
    cancel.abort();
    await assert.rejects(docker(`touch "${marker}"`).capture(['version'], 10_000), CancelledError);
    assert.ok(!existsSync(marker));
  });

  it('is given up when the engine does not answer', async () => {
    await assert.rejects(docker('sleep 30').capture(['version'], 50), (error: Error) => {
      assert.ok(error instanceof TaskError);
      assert.match(error.message, /did not answer within 0\.05 s.*DOCKER_HOST/);
      return true;
    });
  });
});

describe('output in chunks', () => {
  function linesOf(...chunks: (string | Buffer)[]): Promise<string[]> {
    const stream = new PassThrough();
    const lines: string[] = [];
    splitLines(stream, (line) => lines.push(line));
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
    return new Promise((resolve) => stream.on('end', () => resolve(lines)));
  }

  it('is put together to whole lines', async () => {
    assert.deepEqual(await linesOf('on', 'e\ntw', 'o\n\nthr', 'ee'), ['one', 'two', '', 'three']);
  });

  it('may be cut within a character', async () => {
    const bytes = Buffer.from('größe 📦\n');
    const single = [...bytes].map((byte) => Buffer.from([byte]));
    assert.deepEqual(await linesOf(...single), ['größe 📦']);
  });

  it('shows no piece of a secret where it cuts a line without end, wherever the chunks end', async () => {
    const secret = `dose~${'7x'.repeat(20)}`;
    rememberSecret(secret);
    for (let before = 99_950; before <= 100_000; before += 3) {
      const whole = `${'x'.repeat(before)}${secret}${'y'.repeat(50_000)}`;
      for (const size of [before + 5, before + 20, 100_000, 33_333, 8_192]) {
        const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
          whole.slice(at * size, (at + 1) * size),
        );
        const shown: string[] = [];
        const log = createLogger((line) => shown.push(line));
        for (const line of await linesOf(...chunks, '\nnext')) log.info(line);
        assert.ok(!/7x7x/.test(shown.join('\n')), `${before} characters before it, in chunks of ${size}`);
        assert.equal(shown.at(-1), 'next');
      }
    }
  });
});
