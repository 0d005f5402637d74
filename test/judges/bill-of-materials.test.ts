import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { root } from '../../scripts/paths';
import { errorsOf, runStep } from '../support/extension';
import { logIn, run } from './tools';

/*
 * What the packed task lists of an image, beside what syft finds in it: npm run test:judges.
 */

const execute = promisify(execFile);
const user = { username: 'myregistry', password: 'pa55-word' };
const made = join(root, '.local/judges/bases');
const VENV = 'opt/venv/lib';

/** What syft names by a package URL and finds where packages are installed. */
const KINDS = /^pkg:(deb|apk|pypi)\//;

/** syft takes the point release of a Debian from /etc/debian_version, by which nobody knows vulnerabilities. */
function release(url: string): string {
  return url.replace(/(distro=debian-\d+)\.\d+/, '$1');
}

describe('the bill of materials and syft agree on', function () {
  this.timeout(600_000);

  let folder: string;
  let registry: Registry;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bills-'));
    mkdirSync(join(folder, 'sources'));
    writeFileSync(join(folder, 'sources/model.pkl'), 'the model');
    registry = await startRegistry({ folder: join(folder, 'registry'), ...user });
    logIn(folder, registry.loginServer, user.username, user.password);
  });
  after(async () => {
    await registry?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Pushes an image of these layers, by skopeo. */
  async function push(name: string, layers: readonly Buffer[]): Promise<void> {
    const layout = join(folder, `${name}-layout`);
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    const put = (content: Buffer, mediaType: string) => {
      const hex = createHash('sha256').update(content).digest('hex');
      writeFileSync(join(layout, 'blobs/sha256', hex), content);
      return {
        mediaType: `application/vnd.oci.image.${mediaType}`,
        digest: `sha256:${hex}`,
        size: content.length,
      };
    };
    const json = (content: object) => Buffer.from(JSON.stringify(content));
    const config = {
      ...{ os: 'linux', architecture: 'amd64', config: {} },
      rootfs: {
        type: 'layers',
        diff_ids: layers.map((layer) => `sha256:${createHash('sha256').update(layer).digest('hex')}`),
      },
    };
    const manifest = {
      schemaVersion: 2,
      config: put(json(config), 'config.v1+json'),
      layers: layers.map((layer) => put(gzipSync(layer, { level: 1 }), 'layer.v1.tar+gzip')),
    };
    const entry = put(json(manifest), 'manifest.v1+json');
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await execute('skopeo', [
      ...['copy', '--quiet', '--dest-tls-verify=false', '--dest-creds', `${user.username}:${user.password}`],
      ...[`oci:${layout}`, `docker://${registry.loginServer}/bases:${name}`],
    ]);
    rmSync(layout, { recursive: true });
  }

  /** The package URLs that the packed task lists of an image on a base, and those that syft does. */
  async function lists(base: string): Promise<{ ours: string[]; theirs: string[]; log: readonly string[] }> {
    const dockerfile = `FROM ${registry.loginServer}/bases:${base}\nCOPY model.pkl /app/\n`;
    writeFileSync(join(folder, 'sources/Dockerfile'), dockerfile);
    const record = await runStep(
      'AcrBuildPush',
      {
        ...{ acrName: user.username, acrPassword: user.password, loginServer: registry.loginServer },
        ...{ repository: `on-${base}`, tags: '1.0.0', dockerfile: 'Dockerfile', builder: 'direct' },
      },
      { sources: join(folder, 'sources'), environment: { PATH: '/nowhere' } },
    );
    assert.equal(record.result, 'Succeeded', errorsOf(record));
    const { imageDigest, imageRefByDigest } = record.outputVariables;
    const get = async (path: string) => {
      const authorization = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`;
      const url = `http://${registry.loginServer}/v2/on-${base}/${path}`;
      const accept = 'application/vnd.oci.image.manifest.v1+json';
      return (await fetch(url, { headers: { authorization, accept } })).json() as Promise<never>;
    };
    const { manifests }: { manifests: { digest: string; artifactType: string }[] } = await get(
      `referrers/${imageDigest}`,
    );
    const bill = manifests.find(({ artifactType }) => artifactType === 'application/vnd.cyclonedx+json');
    assert.ok(bill, record.log.join('\n'));
    const { layers }: { layers: { digest: string }[] } = await get(`manifests/${bill.digest}`);
    const args = ['scan', `registry:${imageRefByDigest}`, '--output', 'cyclonedx-json', '--quiet'];
    const scan = await run('syft', args, folder);
    assert.equal(scan.code, 0, scan.output);
    const urls = ({ components = [] }: { components?: { purl?: string }[] }) =>
      [
        ...new Set(components.flatMap(({ purl }) => (purl && KINDS.test(purl) ? [release(purl)] : []))),
      ].sort();
    return {
      ours: urls(await get(`blobs/${layers[0]!.digest}`)),
      theirs: urls(JSON.parse(scan.stdout)),
      log: record.log,
    };
  }

  async function compare(base: string, kind: RegExp, atLeast: number): Promise<string[]> {
    const { ours, theirs, log } = await lists(base);
    console.log(`      ${base}: ${ours.length} packages here, ${theirs.length} by syft`);
    assert.deepEqual(
      theirs.filter((url) => !ours.includes(url)),
      [],
      `missing here: ${log.join('\n')}`,
    );
    assert.deepEqual(
      ours.filter((url) => !theirs.includes(url)),
      [],
      'found here alone',
    );
    assert.ok(theirs.filter((url) => kind.test(url)).length >= atLeast, theirs.join('\n'));
    return ours;
  }

  const layer = (name: string) => readFileSync(join(made, `${name}.tar`));

  /** A layer of some files. */
  function layerOf(files: Readonly<Record<string, string>>): Buffer {
    const place = mkdtempSync(join(folder, 'layer-'));
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(place, path, '..'), { recursive: true });
      writeFileSync(join(place, path), content);
    }
    return execFileSync('tar', ['--create', '--directory', place, '.'], { maxBuffer: 1e8 });
  }

  it('a Debian, its Python and the packages of both', async () => {
    await push('debian', [layer('debian')]);
    await compare('debian', /^pkg:deb\/debian\//, 80);
  });

  it('a virtual environment on top of it, of which later layers replace and take away some', async () => {
    const site = execFileSync('tar', ['--list', '--file', join(made, 'python.tar')], { maxBuffer: 1e8 })
      .toString()
      .split('\n')
      .find((path) => /click-[\d.]+\.dist-info\/$/.test(path))!
      .replace(/^\.\//, '')
      .replace(/click-.*/, '');
    assert.ok(site.startsWith(VENV), site);
    const upper = layerOf({
      [`${site}.wh.click-8.1.8.dist-info`]: '',
      [`${site}click-8.3.0.dist-info/METADATA`]: 'Metadata-Version: 2.4\nName: click\nVersion: 8.3.0\n',
      [`${site}.wh.six-1.17.0.dist-info`]: '',
    });
    await push('python', [layer('debian'), layer('python'), upper]);
    const urls = await compare('python', /^pkg:pypi\//, 20);
    assert.ok(urls.includes('pkg:pypi/click@8.3.0'));
    assert.ok(!urls.some((url) => /click@8\.1|six@1\.17/.test(url)), urls.join('\n'));
  });

  it('an image whose packages have no manager', async () => {
    await push('distroless', [layer('distroless')]);
    await compare('distroless', /^pkg:deb\/debian\//, 80);
  });

  it("an Alpine's database, such as syft's own tests have", async () => {
    const cache = execFileSync('go', ['env', 'GOMODCACHE']).toString().trim();
    const syft = join(cache, 'github.com/anchore/syft@v1.57.1/syft');
    const place = mkdtempSync(join(folder, 'alpine-'));
    mkdirSync(join(place, 'lib/apk/db'), { recursive: true });
    mkdirSync(join(place, 'etc'));
    copyFileSync(
      join(syft, 'pkg/cataloger/alpine/testdata/very-large-entries'),
      join(place, 'lib/apk/db/installed'),
    );
    copyFileSync(join(syft, 'linux/testdata/os/alpine/etc/os-release'), join(place, 'etc/os-release'));
    await push('alpine', [execFileSync('tar', ['--create', '--directory', place, '.'], { maxBuffer: 1e8 })]);
    await compare('alpine', /^pkg:apk\/alpine\//, 30);
  });
});
