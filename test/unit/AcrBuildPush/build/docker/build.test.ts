import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildWithDocker } from '../../../../../tasks/AcrBuildPush/build/docker/build';
import type { BuildPlan } from '../../../../../tasks/AcrBuildPush/build-plan';
import { DockerCli } from '../../../../../tasks/AcrBuildPush/docker/cli';
import type { BuilderKind } from '../../../../../tasks/AcrBuildPush/docker/engine';
import { TaskError } from '../../../../../tasks/common/errors';
import { createLogger } from '../../../../../tasks/common/log';
import { capturedLog, fakeDocker, leastPlan, temporaryFolder } from '../../support';

const plan: BuildPlan = {
  ...leastPlan,
  recipe: 'FROM base\n\nRUN echo one; \\\n  exit 4\nCOPY model.pkl /\nRUN  last\n',
};

describe('a build', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  /** Runs a build of a docker that prints these texts, as they were recorded from a real one. */
  async function build(
    builder: BuilderKind,
    output: { stdout?: string; stderr?: string; exitCode?: number },
    changes: Partial<BuildPlan> = {},
  ) {
    const { log, lines } = capturedLog();
    const env = fakeDocker(
      folder.path,
      `while [ $# -gt 0 ] && [ "$1" != --iidfile ]; do shift; done
      cat <<'END'
${output.stdout ?? ''}
END
      cat >&2 <<'END'
${output.stderr ?? ''}
END
      [ ${output.exitCode ?? 0} = 0 ] && [ $# -gt 0 ] && printf sha256:abc > "$2"
      exit ${output.exitCode ?? 0}`,
    );
    const docker = new DockerCli({ env, signal: new AbortController().signal, log });
    let result: unknown;
    try {
      const request = { plan: { ...plan, ...changes }, builder, name: 'r/t', tags: ['1'], push: true };
      result = await buildWithDocker(docker, request, { tempFolder: folder.path, log });
    } catch (error) {
      result = error;
    }
    const shown = lines.filter((line) => !line.startsWith('##vso[task.debug]'));
    return { result, shown };
  }

  function failure(result: unknown): TaskError {
    assert.ok(result instanceof TaskError, String(result));
    return result;
  }

  for (const [how, script] of [
    ['ends when it is told to', 'trap "exit 130" INT; wait_here'],
    ['does not heed that', 'trap "" INT; wait_here'],
    ['ends before that', 'kill -9 $$'],
  ] as const) {
    it(`leaves nothing behind when the step is cancelled and docker ${how}`, async () => {
      const temp = join(folder.path, 'temp');
      mkdirSync(temp);
      const cancel = new AbortController();
      const log = createLogger((line) => {
        if (line.includes('Step 1/1')) cancel.abort();
      });
      const env = fakeDocker(
        folder.path,
        `wait_here() { echo 'Step 1/1 : FROM base'; while :; do sleep 0.05; done; }
        ${script}`,
      );
      const docker = new DockerCli({ env, signal: cancel.signal, log });
      // With labels the legacy builder is given a Dockerfile of the step's own.
      const labels = { 'model.name': 'titanic' };
      const request = {
        plan: { ...plan, labels },
        builder: 'legacy',
        name: 'r/t',
        tags: ['1'],
        push: true,
      } as const;
      const building = buildWithDocker(docker, request, { tempFolder: temp, log });
      assert.equal(readdirSync(temp).length, 1);
      await assert.rejects(building);
      assert.deepEqual(readdirSync(temp), []);
    });
  }

  it('that ends well without an image is told', async () => {
    const { log } = capturedLog();
    const docker = new DockerCli({
      env: fakeDocker(folder.path, 'exit 0'),
      signal: new AbortController().signal,
      log,
    });
    const request = { plan, builder: 'legacy', name: 'r/t', tags: ['1'], push: true } as const;
    await assert.rejects(
      buildWithDocker(docker, request, { tempFolder: folder.path, log }),
      /^TaskError: docker ended well, but did not say which image it built/,
    );
  });

  it('gives the id of the image', async () => {
    assert.deepEqual((await build('legacy', {})).result, { id: 'sha256:abc' });
  });

  for (const [store, known] of [
    ['containerd', 'b'],
    ['the engine’s own', 'a'],
  ] as const) {
    it(`by buildx gives the id by which ${store} store knows the image`, async () => {
      const [config, manifest] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
      const { log } = capturedLog();
      const env = fakeDocker(
        folder.path,
        `if [ "$1" = image ]; then
          for word; do case "$word" in sha256:${known}*) echo "$word";; esac; done
          echo 'Error: No such image' >&2; exit 1
        fi
        printf ${config} > "$HERE/image-id"
        echo '{"containerimage.digest":"${manifest}"}' > "$HERE/build-metadata.json"`,
      );
      const options = { env: { ...env, HERE: folder.path }, signal: new AbortController().signal, log };
      const request = { plan, builder: 'buildx' as const, name: 'r/t', tags: ['1'], push: true };
      const built = await buildWithDocker(new DockerCli(options), request, { tempFolder: folder.path, log });
      assert.deepEqual(built, { id: known === 'a' ? config : manifest });
    });
  }

  it('gives the digest of an image for several platforms', async () => {
    writeFileSync(join(folder.path, 'build-metadata.json'), '{"containerimage.digest":"sha256:def"}');
    const platforms = ['linux/amd64', 'linux/arm64'];
    const { result } = await build('buildx', {}, { platforms });
    assert.deepEqual(result, { digest: 'sha256:def' });
  });

  for (const [driver, output] of [
    ['docker', 'type=image,name=r/t:1,oci-mediatypes=true,push=true'],
    [
      'docker-container',
      'type=image,name=r/t,push-by-digest=true,name-canonical=true,oci-mediatypes=true,push=true',
    ],
  ] as const) {
    it(`for several platforms has the output that buildx's driver ${driver} knows`, async () => {
      const { log } = capturedLog();
      const env = fakeDocker(
        folder.path,
        `if [ "$2" = inspect ]; then printf 'Name:   default\\nDriver: ${driver}\\n'; exit; fi
        printf '%s\\n' "$@" > "$HERE/words"
        echo '{"containerimage.digest":"sha256:def"}' > "$HERE/build-metadata.json"`,
      );
      const options = { env: { ...env, HERE: folder.path }, signal: new AbortController().signal, log };
      const several = { ...plan, platforms: ['linux/amd64', 'linux/arm64'] };
      const request = { plan: several, builder: 'buildx' as const, name: 'r/t', tags: ['1'], push: true };
      await buildWithDocker(new DockerCli(options), request, { tempFolder: folder.path, log });
      assert.ok(readFileSync(join(folder.path, 'words'), 'utf8').includes(`\n${output}\n`));
    });
  }

  it('has its secrets in the environment of docker alone', async () => {
    const { log, lines } = capturedLog();
    const env = fakeDocker(folder.path, 'env > "$HERE/env"; printf sha256:abc > "$HERE/image-id"');
    const docker = new DockerCli({
      env: { ...env, HERE: folder.path },
      signal: new AbortController().signal,
      log,
    });
    const request = { plan: { ...plan, secrets: { pypi: 's3cret' } }, name: 'r/t', tags: ['1'], push: true };
    await buildWithDocker(docker, { ...request, builder: 'built-in' }, { tempFolder: folder.path, log });
    const seen = readFileSync(join(folder.path, 'env'), 'utf8');
    assert.match(seen, /^ACR_BUILD_PUSH_SECRET_0=s3cret$/m);
    assert.ok(!JSON.stringify(process.env).includes('s3cret'));
    assert.ok(!lines.some((line) => line.includes('s3cret')));
  });

  it('of the head of a Dockerfile has its rules, no labels and tags, and the arguments that may count for it', async () => {
    const { log } = capturedLog();
    const dockerfile = join(folder.path, 'api.Dockerfile');
    writeFileSync(`${dockerfile}.dockerignore`, 'left-out');
    const show = 'printf "%s\n" "$@" > "$HERE/words"; cp "$3" "$3.dockerignore" "$HERE/seen"';
    mkdirSync(join(folder.path, 'seen'));
    const env = fakeDocker(folder.path, `${show}; printf sha256:abc > "$HERE/temp/image-id"`);
    const docker = new DockerCli({
      env: { ...env, HERE: folder.path },
      signal: new AbortController().signal,
      log,
    });
    const head = 'FROM base\nARG INDEX\nRUN make\n';
    const request = {
      plan: {
        ...plan,
        ...{
          dockerfile,
          recipe: `${head}ARG VERSION\nARG no_proxy\nCOPY $VERSION /\n`,
          target: 'last',
          labels: { a: 'b' },
        },
        arguments: { INDEX: 'i', VERSION: '1', HTTP_PROXY: 'p', no_proxy: 'n', BUILDKIT_SYNTAX: 's' },
      },
      ...{ head, builder: 'built-in' as const, name: 'r/t', tags: [], push: true },
    };
    const tempFolder = join(folder.path, 'temp');
    mkdirSync(tempFolder);
    await buildWithDocker(docker, request, { tempFolder, log });
    assert.equal(readFileSync(join(folder.path, 'seen', 'Dockerfile'), 'utf8'), head);
    assert.equal(readFileSync(join(folder.path, 'seen', 'Dockerfile.dockerignore'), 'utf8'), 'left-out');
    const words = readFileSync(join(folder.path, 'words'), 'utf8').split('\n');
    const given = words.filter((_, index) => words[index - 1] === '--build-arg');
    assert.deepEqual(given, ['INDEX=i', 'HTTP_PROXY=p', 'no_proxy=n', 'BUILDKIT_SYNTAX=s']);
    for (const word of ['--label', '--tag', '--target']) assert.ok(!words.includes(word), word);
  });

  it('by the legacy builder is shown by steps', async () => {
    const { shown } = await build('legacy', {
      stdout: [
        'Sending build context to Docker daemon  557.1kB\r\r',
        'Step 1/2 : FROM base',
        ' ---> 123',
        'Step 2/2 : RUN pip install x',
        '\u001b[91mSuccessfully built wheel\u001b[0m ##vso[task.complete result=Failed]',
        'Successfully built 0123456789ab',
      ].join('\n'),
    });
    assert.deepEqual(shown, [
      'Sending build context to Docker daemon  557.1kB',
      '##[group]Step 1/2: FROM base',
      ' ---> 123',
      '##[endgroup]',
      '##[group]Step 2/2: RUN pip install x',
      'Successfully built wheel ##_vso[task.complete result=Failed]',
      '##[endgroup]',
      'Successfully built 0123456789ab',
    ]);
  });

  it('by the legacy builder is spared the advice to use another', async () => {
    const { shown } = await build('legacy', {
      stderr: [
        'DEPRECATED: The legacy builder is deprecated and will be removed in a future release.',
        '            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0',
        '            environment-variable.',
        '',
      ].join('\n'),
    });
    assert.deepEqual(shown, []);
  });

  it('by BuildKit is shown by steps, also where they run side by side', async () => {
    const { shown } = await build('buildx', {
      stderr: [
        '#1 [internal] load build definition from Dockerfile',
        '#1 sha256:94190c921d8a456d5f6489eb815743865d9b8df38c362181e80689b5d9085ee3',
        '#1 DONE 0.0s',
        '',
        '#5 [a 1/2] RUN one',
        '#5 0.163 hello',
        '#5 ...',
        '',
        '#6 [b 1/1] RUN two',
        '#6 DONE 0.2s',
        '',
        '#5 [a 1/2] RUN one',
        '#5 0.4 bye',
      ].join('\n'),
    });
    assert.deepEqual(shown, [
      '##[group][internal] load build definition from Dockerfile',
      'DONE 0.0s',
      '##[endgroup]',
      '##[group][a 1/2] RUN one',
      '0.163 hello',
      '##[endgroup]',
      '##[group][b 1/1] RUN two',
      'DONE 0.2s',
      '##[endgroup]',
      '##[group][a 1/2] RUN one (continued)',
      '0.4 bye',
      '##[endgroup]',
    ]);
  });

  it('that fails by the legacy builder ends with the line, the instruction and its last output', async () => {
    const { result } = await build('legacy', {
      exitCode: 4,
      stdout: [
        'Step 1/5 : FROM base',
        ' ---> ec534aca1f91',
        'Step 2/5 : RUN echo one;   exit 4',
        ' ---> Running in 42798c029166',
        ...Array.from({ length: 40 }, (_, index) => `output ${index}`),
      ].join('\n'),
      stderr: "The command '/bin/sh -c echo one;   exit 4' returned a non-zero code: 4",
    });
    const { message, details } = failure(result);
    assert.match(
      message,
      /^The image was not built: Dockerfile line 3 failed with exit code 4: RUN echo one; {3}exit 4\./,
    );
    assert.equal(details[0], 'Dockerfile line 3: RUN echo one;   exit 4');
    assert.equal(details.at(-1), 'output 39');
    assert.ok(details.length < 30);
  });

  it('that fails by BuildKit ends with the line, the instruction and its last output', async () => {
    const { result } = await build('built-in', {
      exitCode: 1,
      stderr: [
        '#4 [1/4] FROM docker.io/library/base',
        '#4 CACHED',
        '#5 [2/4] RUN echo one;   exit 4',
        '#5 0.163 one',
        '#5 ERROR: executor failed running [/bin/sh -c echo one;   exit 4]: exit code: 4',
        '#6 [other 2/2] RUN slow',
        '#6 ERROR: context canceled',
        '------',
        ' > [2/4] RUN echo one;   exit 4:',
        '------',
        'executor failed running [/bin/sh -c echo one;   exit 4]: exit code: 4',
      ].join('\n'),
    });
    const { message, details } = failure(result);
    assert.match(message, /Dockerfile line 3 failed with exit code 4: RUN echo one; {3}exit 4\./);
    assert.deepEqual(details.slice(0, 2), ['Dockerfile line 3: RUN echo one;   exit 4', '0.163 one']);
  });

  it('takes the line from buildx, and what the command printed not for docker’s words', async () => {
    const { result } = await build('buildx', {
      exitCode: 1,
      stderr: [
        '#5 [2/4] RUN echo one;   exit 4',
        '#5 0.163 COPY failed: no source files were specified',
        '#5 ERROR: process "/bin/sh -c echo one;   exit 4" did not complete successfully: exit code: 4',
        '------',
        ' > [2/4] RUN echo one;   exit 4:',
        '0.163 COPY failed: no source files were specified',
        '------',
        'Dockerfile:7',
        '--------------------',
        '   6 |     ',
        '   7 | >>> RUN echo one;   exit 4',
        '--------------------',
        'ERROR: failed to solve: process "/bin/sh -c echo one;   exit 4" did not complete successfully: exit code: 4',
      ].join('\n'),
    });
    assert.match(
      failure(result).message,
      /^The image was not built: Dockerfile line 7 failed with exit code 4/,
    );
  });

  it('explains what is missing in the context, with the line', async () => {
    const { result } = await build('legacy', {
      exitCode: 1,
      stdout: 'Step 3/5 : COPY model.pkl /',
      stderr:
        'COPY failed: file not found in build context or excluded by .dockerignore: stat model.pkl: file does not exist',
    });
    assert.match(failure(result).message, /^Dockerfile line 5: The build context has no 'model\.pkl'/);
  });

  it('tells a builder that knows no here-documents', async () => {
    const recipe = 'FROM scratch\nRUN <<EOF\nmkdir x\nEOF\nMKDIR y\n';
    const complain = async (line: number) => {
      const stderr = `Error response from daemon: dockerfile parse error line ${line}: unknown instruction: MKDIR`;
      return failure((await build('legacy', { exitCode: 1, stderr }, { recipe })).result).message;
    };
    assert.match(
      await complain(3),
      /^The Dockerfile has a here-document in line 2, .* too old .*'buildxVersion'/,
    );
    assert.match(await complain(5), /^The Dockerfile has a mistake in line 5: unknown instruction: MKDIR/);
  });

  it('tells a full disk by the output of the command that met it', async () => {
    const { result } = await build('legacy', {
      exitCode: 1,
      stdout: 'Step 4/5 : RUN last\nOSError: [Errno 28] No space left on device',
      stderr: "The command '/bin/sh -c last' returned a non-zero code: 1",
    });
    assert.match(failure(result).message, /^Dockerfile line 6: The disk is full/);
  });

  it('that fails before its first step says what docker ended with', async () => {
    const { result, shown } = await build('legacy', { exitCode: 125, stderr: 'something odd' });
    assert.match(failure(result).message, /docker ended with exit code 125/);
    assert.ok(shown.includes('something odd'));
  });
});
