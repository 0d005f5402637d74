import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { DockerCli, splitLines } from '../../../../tasks/AcrBuildPush/docker/cli';
import { CancelledError, TaskError } from '../../../../tasks/common/errors';
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

  it('hands on lines as they come, with their source', async () => {
    const lines: string[] = [];
    const cli = docker('echo one; printf "two\\r\\nthree"; echo four >&2');
    assert.equal(await cli.stream(['build'], (line, source) => lines.push(`${source} ${line}`)), 0);
    assert.deepEqual(lines.sort(), ['stderr four', 'stdout one', 'stdout three', 'stdout two']);
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

  it('without any line feed does not pile up', async () => {
    const lines = await linesOf(...Array.from({ length: 30 }, () => 'x'.repeat(10_000)));
    assert.ok(lines.length > 1);
    assert.equal(lines.join('').length, 300_000);
  });
});
