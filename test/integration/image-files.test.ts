import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { planDirectly } from '../../tasks/AcrBuildPush/build/direct/builder';
import { setTags } from '../../tasks/AcrBuildPush/publish/destination';
import { publishImage } from '../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../tasks/AcrBuildPush/registry/credentials';
import { Uploads } from '../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../tasks/common/http';
import { createLogger } from '../../tasks/common/log';
import { writeContext } from '../support/build-contexts';
import { flattenBuilt } from '../support/image-files';
import { skip } from '../support/skip';
import { leastPlan } from '../unit/AcrBuildPush/support';

const USERNAME = 'robot';
const PASSWORD = 'correct-horse-battery';
const run = promisify(execFile);

/** Everything that the files of an image may have: owners, permissions, links, and one layer over another. */
const RECIPE = [
  'FROM scratch',
  'COPY . /all/',
  'COPY --chown=1000:2000 conf /etc/app/',
  'COPY --chown=7 --chmod=640 model.pkl /model/',
  'COPY app.py /all/model.pkl',
  'COPY --chown=3:4 src /all/src/',
  'COPY special hard sticky /bits/',
  'WORKDIR /srv/app',
];

describe('the files of an image that the step built itself', function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), 'image-files-'));
  const context = join(folder, 'context');
  const log = createLogger(() => undefined);
  const { signal } = new AbortController();
  let registry: Registry;
  let http: HttpClient;

  before(async function () {
    if (!(await isThere('podman'))) skip(this, 'podman is not installed');
    if (process.getuid?.() !== 0) skip(this, 'only root sees the owners of files as podman lays them out');
    for (const path of ['registry', 'context']) mkdirSync(join(folder, path));
    writeContext(context);
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: USERNAME,
      password: PASSWORD,
    });
    http = new HttpClient({
      log,
      signal,
      network: { proxyFor: () => undefined, tls: {} },
      userAgent: 'test',
    });
  });

  after(async () => {
    http?.close();
    await registry?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const compression of ['gzip', 'none'] as const) {
    it(`are the same to podman: names, bytes, permissions, owners and links (compression: ${compression})`, async () => {
      const plan = { ...leastPlan, recipe: RECIPE.join('\n'), context };
      const pull = () => Promise.reject(new Error('nothing is pulled here'));
      const image = await (await planDirectly(plan, { pull, log, signal })).make({});
      const host = registry.loginServer;
      const robot = {
        kind: 'password',
        username: USERNAME,
        password: PASSWORD,
        input: 'acrPassword',
      } as const;
      const repository = `files-${compression}`;
      const client = new RegistryClient({
        http,
        log,
        host,
        repository,
        credentials: fixedCredentials(host, robot),
      });
      const name = `${host}/${repository}`;
      const destination = {
        registry: client,
        uploads: new Uploads(client),
        name,
        tags: [{ tag: '1', moves: false }],
      };
      const result = await publishImage(image, destination, { log, signal, compression, known: new Map() });
      await setTags(result, { ...destination, ifTagExists: 'overwrite', before: new Map() }, { log, signal });

      const place = mkdtempSync(join(folder, 'podman-'));
      const storage = ['--root', join(place, 'root'), '--runroot', join(place, 'run')];
      const podman = async (...args: string[]) =>
        (await run('podman', [...storage, '--storage-driver', 'vfs', ...args])).stdout.trim();
      await podman('pull', '--quiet', '--tls-verify=false', `--creds=${USERNAME}:${PASSWORD}`, `${name}:1`);
      const root = await podman('image', 'mount', `${name}:1`);
      try {
        const { files } = await flattenBuilt(image);
        assert.ok(Object.keys(files).length >= 50, `the image has ${Object.keys(files).length} files`);
        assert.deepEqual(filesBelow(root), files);
      } finally {
        await podman('image', 'umount', '--all');
      }
    });
  }
});

/** The files on the disk, in the words of {@link flattenBuilt}. */
function filesBelow(root: string): Record<string, string> {
  const files: [string, string][] = [];
  const walk = (path: string) => {
    for (const name of readdirSync(join(root, path))) {
      const here = path ? `${path}/${name}` : name;
      files.push([here, describeFile(join(root, here))]);
      if (lstatSync(join(root, here)).isDirectory()) walk(here);
    }
  };
  walk('');
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function describeFile(path: string): string {
  const stat = lstatSync(path);
  const owner = `${stat.uid}:${stat.gid}`;
  if (stat.isSymbolicLink()) return `symlink ${owner} -> ${readlinkSync(path)}`;
  const rights = `${(stat.mode & 0o7777).toString(8)} ${owner}`;
  if (stat.isDirectory()) return `directory ${rights}`;
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12);
  return `file ${rights} ${digest}`;
}

async function isThere(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}
