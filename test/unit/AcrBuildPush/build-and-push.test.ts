import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { buildAndPush } from '../../../tasks/AcrBuildPush/build-and-push';
import type { Inputs } from '../../../tasks/AcrBuildPush/inputs';
import type { TaskContext } from '../../../tasks/common/task';
import { fakeDocker, leastInputs, scriptedServer, temporaryFolder } from './support';

const imageId = `sha256:${'c'.repeat(64)}`;
const manifest = JSON.stringify({
  schemaVersion: 2,
  config: { digest: imageId, size: 100 },
  layers: [
    { digest: 'sha256:l1', size: 4_000 },
    { digest: 'sha256:l2', size: 900 },
  ],
});
const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;

/** A docker that notes what it is called with, and pushes into a file that the registry looks at. */
const DOCKER = `
case "$1" in
version) echo '{"Client":{"Version":"28.2.2"},"Server":{"Version":"28.2.2","Os":"linux","Arch":"amd64"}}';;
buildx) exit 1;;
build) echo "$*" > "$LAB/built"; cp "$DOCKER_CONFIG/config.json" "$LAB/config.json"
  if [ -e "$LAB/broken-part" ] && ! grep -q ^COPY "$3"; then
    echo part >> "$LAB/parts"; cat "$LAB/broken-part"; echo odd >&2; exit 1
  fi
  [ -e "$LAB/broken" ] && { echo 'Step 1/1 : FROM scratch'; echo odd >&2; exit 1; }
  while [ "$1" != --iidfile ]; do shift; done; printf ${imageId} > "$2";;
push) echo "$2" > "$LAB/pushed"; echo '111111111111: Pushed'; echo '222222222222: Pushed'; echo "1.0.0: digest: ${digest} size: 739";;
esac`;

describe('the task', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  let outputs: Record<string, unknown>;
  let summary: string;
  let path: string | undefined;
  /** The registry's tags. What the fake docker pushed is added when it has. */
  let tags: Record<string, string>;
  let order: string[];

  beforeEach(async () => {
    folder = temporaryFolder();
    [outputs, summary, tags, order] = [{}, '', {}, []];
    path = process.env.PATH;
    Object.assign(process.env, fakeDocker(folder.path, DOCKER), {
      LAB: folder.path,
      DOCKER_CONFIG: join(folder.path, 'home'),
    });
    server = await scriptedServer(registry);
    mkdirSync(join(folder.path, 'temp'));
    writeFileSync(join(folder.path, 'Dockerfile'), 'FROM scratch\nARG VERSION\n');
  });

  afterEach(() => {
    process.env.PATH = path;
    delete process.env.LAB;
    delete process.env.DOCKER_CONFIG;
    server.stop();
    folder.remove();
  });

  const registry: RequestListener = (request, response) => {
    const pushedFile = join(folder.path, 'pushed');
    if (existsSync(pushedFile)) tags[readFileSync(pushedFile, 'utf8').trim().split(':').pop()!] ??= digest;
    const reference = /manifests\/(.*)$/.exec(request.url ?? '')?.[1];
    if (request.method === 'PATCH') {
      response.writeHead(403).end();
    } else if (request.method === 'POST') {
      response.writeHead(202, { Location: '/v2/titanic/blobs/uploads/1' }).end();
    } else if (reference === undefined) {
      response.end('{}');
    } else if (request.method === 'PUT') {
      tags[reference] = digest;
      order.push(reference);
      response.writeHead(201).end();
    } else {
      const found = reference.startsWith('sha256:') ? reference : tags[reference];
      if (found) response.setHeader('Docker-Content-Digest', found).end(manifest);
      else response.writeHead(404).end();
    }
  };

  /** @param mayChange outputs that are set before it is known what becomes of the image */
  function run(changes: Partial<Inputs> = {}, mayChange: readonly string[] = []) {
    const inputs: Inputs = {
      ...leastInputs,
      loginServer: server.host,
      identity: { kind: 'password', username: 'robot', password: 'p4ssword', input: 'acrPassword' },
      tags: [
        { tag: '1.0.0', moves: false },
        { tag: '1.0', moves: true },
        { tag: 'latest', moves: true },
      ],
      model: { name: 'titanic', version: '1.0.0', digest: 'sha256:m' },
      dockerfile: join(folder.path, 'Dockerfile'),
      buildContext: folder.path,
      builder: 'docker',
      ...changes,
    };
    const task = {
      log: server.log,
      signal: new AbortController().signal,
      http: server.http,
      tempFolder: join(folder.path, 'temp'),
      variable: () => undefined,
      setOutput: (name: string, value: unknown) => {
        assert.ok(!(name in outputs) || mayChange.includes(name), `${name} is set twice`);
        outputs[name] = value;
      },
      setTaskVariable: (name: string, value: string) => {
        assert.equal(name, 'dockerConfigFolder');
        assert.deepEqual(readdirSync(value), []);
      },
      uploadSummary: (_title: string, page: { toString(): string }) => {
        summary = page.toString();
      },
    } as unknown as TaskContext;
    return buildAndPush(inputs, task);
  }

  const credentialsLeft = () =>
    readdirSync(join(folder.path, 'temp')).filter((name) => name.startsWith('docker-'));
  const wasBuilt = () => existsSync(join(folder.path, 'built'));

  it('builds, pushes, tags with latest last, reads back and reports', async () => {
    const name = `${server.host}/titanic`;
    const outcome = await run();
    assert.deepEqual(outcome, { result: 'Succeeded', message: `Pushed ${name}:1.0.0 (${digest}, 5.0 KB).` });
    assert.deepEqual(order, ['1.0', 'latest']);
    assert.deepEqual(outputs, {
      imageRef: `${name}:1.0.0`,
      imageTags: '1.0.0,1.0,latest',
      builder: 'docker',
      imageDigest: digest,
      imageRefByDigest: `${name}@${digest}`,
      imageSizeBytes: 5_000,
      uploadedBytes: 5_000,
    });
    for (const fact of [
      `${name}:1.0.0`,
      `docker run --rm ${name}@${digest}`,
      '1.0.0, 1.0, latest',
      'docker 28.2.2 (legacy builder)',
      '5.0 KB in 2 layers',
      'titanic 1.0.0, sha256:m',
      '| sha256:l1 | 4.0 KB |',
      '| Build |',
    ]) {
      assert.ok(summary.includes(fact), `${fact} is not in the summary`);
    }
  });

  it('says why docker pushes by itself', async () => {
    await run();
    assert.ok(server.lines.some((line) => /^The engine does not describe .* So docker pushes/.test(line)));
  });

  it('gives docker the credentials for as long as it runs, and leaves none behind', async () => {
    await run();
    const { auths } = JSON.parse(readFileSync(join(folder.path, 'config.json'), 'utf8'));
    assert.deepEqual(auths, {
      [server.host]: { auth: Buffer.from('robot:p4ssword').toString('base64') },
    });
    assert.doesNotMatch(readFileSync(join(folder.path, 'built'), 'utf8'), /p4ssword/);
    assert.deepEqual(credentialsLeft(), []);
  });

  it('leaves no credentials and no tag behind when the build fails', async () => {
    writeFileSync(join(folder.path, 'broken'), '');
    await assert.rejects(run(), {
      name: 'TaskError',
      message: /^The image was not built: Dockerfile line 1/,
    });
    assert.deepEqual(credentialsLeft(), []);
    assert.deepEqual(tags, {});
    assert.equal(outputs.imageRef, `${server.host}/titanic:1.0.0`);
  });

  describe('of a Dockerfile that is built in two', () => {
    beforeEach(() =>
      writeFileSync(join(folder.path, 'Dockerfile'), 'FROM scratch\nRUN make\nCOPY temp /temp\n'),
    );

    it('has the engine build all of it where that refuses the beginning alone', async () => {
      writeFileSync(join(folder.path, 'broken-part'), '');
      const { message } = await run({ builder: 'auto' });
      assert.match(message, /^Pushed /);
      const said =
        'The engine does not build the Dockerfile up to line 2 alone. So the engine builds the rest as well.';
      assert.ok(server.lines.includes(said), server.lines.join('\n'));
      assert.ok(wasBuilt());
    });

    it('fails without another try where a command does', async () => {
      writeFileSync(join(folder.path, 'broken-part'), 'Step 2/2 : RUN make\n');
      await assert.rejects(run({ builder: 'auto' }), { message: /Dockerfile line 2 failed: RUN make/ });
      const built = readFileSync(join(folder.path, 'built'), 'utf8');
      assert.ok(!built.includes(`--file ${join(folder.path, 'Dockerfile')} `), built);
      assert.equal(readFileSync(join(folder.path, 'parts'), 'utf8'), 'part\n');
    });
  });

  it('builds nothing and fails when a tag exists that must not', async () => {
    tags = { '1.0.0': 'sha256:old', latest: 'sha256:old' };
    await assert.rejects(run({ ifTagExists: 'fail' }), {
      name: 'TaskError',
      message: /titanic:1\.0\.0 exists already.*'ifTagExists' is 'fail'/,
    });
    assert.equal(wasBuilt(), false);
    assert.deepEqual(outputs, {});
  });

  it('builds nothing and reports the image that is there when existing tags are skipped', async () => {
    tags = { '1.0.0': digest, '1.0': digest };
    const outcome = await run({ ifTagExists: 'skip' });
    assert.match(outcome.message, /titanic:1\.0\.0 exists already; nothing was built/);
    assert.equal(wasBuilt(), false);
    assert.equal(outputs.builder, 'none');
    assert.equal(outputs.imageDigest, digest);
    assert.deepEqual(order, []);
  });

  it('leaves the tags alone that exist when those are skipped, and publishes the others', async () => {
    tags = { '1.0.0': 'sha256:old', latest: 'sha256:old' };
    const cpu = { tag: '1.0.0-cpu', moves: false };
    await run({
      ifTagExists: 'skip',
      tags: [{ tag: '1.0.0', moves: false }, cpu, { tag: 'latest', moves: true }],
    });
    assert.deepEqual(tags, { '1.0.0': 'sha256:old', '1.0.0-cpu': digest, latest: digest });
    assert.equal(outputs.imageRef, `${server.host}/titanic:1.0.0-cpu`);
    assert.equal(outputs.imageTags, '1.0.0-cpu,latest');
  });

  it('reports one image with all its outputs where another run has set the last tags meanwhile', async () => {
    writeFileSync(join(folder.path, 'model.pkl'), 'model');
    writeFileSync(join(folder.path, 'Dockerfile'), 'FROM scratch\nCOPY model.pkl /\n');
    tags = { '1.0.0': digest };
    // Another run sets it once the image is there.
    Object.defineProperty(tags, '1.0.0-cpu', { get: () => (order.length > 0 ? 'sha256:theirs' : undefined) });
    const outcome = await run(
      {
        ...{ builder: 'direct', ifTagExists: 'skip' },
        tags: [
          { tag: '1.0.0', moves: false },
          { tag: '1.0.0-cpu', moves: false },
          { tag: 'latest', moves: true },
        ],
      },
      ['imageRef', 'imageTags', 'imageDigest', 'imageRefByDigest', 'imageSizeBytes', 'uploadedBytes'],
    );
    assert.match(outcome.message, /titanic:1\.0\.0 exists already/);
    assert.equal(outputs.imageDigest, digest);
    assert.equal(outputs.imageRef, `${server.host}/titanic:1.0.0`);
    assert.equal(outputs.imageTags, '1.0.0,1.0.0-cpu,latest');
    assert.ok(!('latest' in tags));
  });

  it('does not go near the registry without a push', async () => {
    const outcome = await run({ push: false, identity: undefined });
    assert.match(outcome.message, /^Built .*; not pushed/);
    assert.deepEqual(server.requests, []);
    assert.deepEqual(Object.keys(outputs), ['imageRef', 'imageTags', 'builder']);
  });

  it('fails when another run moved a tag meanwhile', async () => {
    tags = { '1.0.0': 'sha256:other' };
    await assert.rejects(run(), { message: /titanic:1\.0\.0 was set to sha256:.*, but now is sha256:other/ });
  });

  it('fails when the registry holds another image than the one that was built', async () => {
    writeFileSync(
      join(folder.path, 'bin', 'docker'),
      `#!/bin/sh\n${DOCKER.replace(imageId, `sha256:${'d'.repeat(64)}`)}`,
    );
    await assert.rejects(run(), { message: /is another image in the registry than the one that was built/ });
    assert.deepEqual(order, []);
  });

  it('tells which image it pushed also when a tag can not be locked', async () => {
    await assert.rejects(run({ lockTag: true }), { message: /refused to lock the tag '1\.0\.0'/ });
    assert.equal(outputs.imageDigest, digest);
    assert.equal(outputs.imageRefByDigest, `${server.host}/titanic@${digest}`);
    assert.equal(outputs.uploadedBytes, 5_000);
  });

  it('names the largest folders of a big context, of what an engine gets to see', async () => {
    for (const [name, size] of [
      ['data', 150_000_000],
      ['left-out', 900_000_000],
    ] as const) {
      mkdirSync(join(folder.path, name));
      writeFileSync(join(folder.path, name, 'big'), '');
      // It takes no place on the disk.
      truncateSync(join(folder.path, name, 'big'), size);
    }
    writeFileSync(join(folder.path, '.dockerignore'), 'left-out\n');
    await run();
    const line = server.lines.find((one) => one.startsWith('The build context has '));
    assert.match(line ?? '', /has 150 MB in .*Largest: data \(150 MB\).*\.dockerignore/);
    assert.doesNotMatch(line ?? '', /left-out/);
  });
});
