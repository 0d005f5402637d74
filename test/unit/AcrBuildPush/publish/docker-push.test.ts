import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DockerCli } from '../../../../tasks/AcrBuildPush/docker/cli';
import type { Destination } from '../../../../tasks/AcrBuildPush/publish/destination';
import {
  parseDigest,
  pushEngineImage,
  pushWithDocker,
} from '../../../../tasks/AcrBuildPush/publish/docker-push';
import { CancelledError } from '../../../../tasks/common/errors';
import { capturedLog, fakeDocker, temporaryFolder } from '../support';

const digest = `sha256:${'6'.repeat(64)}`;
const lastLine = `1.0.0: digest: ${digest} size: 739`;

describe('a push by docker', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  /** Pushes with a docker that says these words at each try, and succeeds after them. */
  async function push(
    failures: string[],
    signal = new AbortController().signal,
    renewCredentials = async () => false,
  ) {
    const { log, lines } = capturedLog();
    rmSync(join(folder.path, 'tries'), { force: true });
    const env = fakeDocker(
      folder.path,
      `[ "$*" = "push r.azurecr.io/titanic:1.0.0" ] || exit 99
      try=$(cat "${folder.path}/tries" 2>/dev/null || echo 0); echo $((try + 1)) > "${folder.path}/tries"
      case $try in
      ${failures.map((words, index) => `${index}) echo '${words}' >&2; exit 1;;`).join('\n')}
      esac
      echo '4d13a26cccd6: Preparing'; echo '4d13a26cccd6: Pushed'; echo '${lastLine}'`,
    );
    const waits: number[] = [];
    const pushed = await pushWithDocker(
      new DockerCli({ env, signal, log }),
      {
        reference: 'r.azurecr.io/titanic:1.0.0',
        registry: { host: 'r.azurecr.io', repository: 'titanic' },
      },
      { log, signal, renewCredentials, sleep: async (milliseconds) => void waits.push(milliseconds) },
    );
    return { pushed, waits, lines };
  }

  it('gives the digest, and shows the layers without those that wait', async () => {
    const { pushed, lines } = await push([]);
    assert.deepEqual(pushed, { digest, sentLayers: new Set(['4d13a26cccd6']) });
    assert.ok(lines.includes('4d13a26cccd6: Pushed'));
    assert.ok(!lines.some((line) => line.includes('Preparing')));
  });

  for (const words of [
    'EOF',
    'write tcp 10.0.0.4:33150->20.1.2.3:443: write: connection reset by peer',
    'received unexpected HTTP status: 503 Service Unavailable',
    'net/http: TLS handshake timeout',
    'toomanyrequests: too many requests',
    'unknown blob',
  ]) {
    it(`is tried again after: ${words}`, async () => {
      const { pushed, waits, lines } = await push([words, words]);
      assert.equal(pushed.digest, digest);
      assert.equal(waits.length, 2);
      assert.ok(lines.some((line) => line.startsWith('The push broke off. Trying again in')));
    });
  }

  it('goes on with new credentials where the old ones ran out, and not where there are none', async () => {
    const words = 'unauthorized: authentication required';
    let renewals = 0;
    const renewCredentials = async () => ++renewals === 1;
    const { pushed, waits, lines } = await push([words], undefined, renewCredentials);
    assert.equal(pushed.digest, digest);
    assert.deepEqual(waits, []);
    assert.ok(lines.includes('The credentials had run out. Going on with new ones.'));
    await assert.rejects(
      push([words, words], undefined, async () => false),
      /does not let it push/,
    );
  });

  it('is given up after five minutes of waits', async () => {
    // They grow to half a minute each.
    await assert.rejects(push(Array(40).fill('EOF')), {
      name: 'TaskError',
      message: /did not push it after 1\d tries|did not push it after 2\d tries/,
      details: ['EOF'],
    });
  });

  for (const [words, message] of [
    ['unauthorized: authentication required', /does not let it push to 'titanic'/],
    ['denied: requested access to the resource is denied', /does not let it push to 'titanic'/],
    ['unknown: The operation is disallowed on this registry, repository or image.', /is locked/],
    ['write /var/lib/docker/x: no space left on device', /disk is full/],
  ] as const) {
    it(`is not tried again after: ${words}`, async () => {
      await assert.rejects(push([words]), { name: 'TaskError', message });
    });
  }

  it('that is cancelled does not try again', async () => {
    const cancel = new AbortController();
    cancel.abort();
    await assert.rejects(push(['EOF'], cancel.signal), CancelledError);
  });

  for (const [tags, message] of [
    [[], /can do that only under a tag, but input 'tags' is empty\. Give one\./],
    [[{ tag: '1.0.0', moves: false }], /but another run has set them all meanwhile\. Run the step again/],
  ] as const) {
    it(`says why there is no tag to push under, of ${tags.length}`, async () => {
      const { log } = capturedLog();
      const { signal } = new AbortController();
      const docker = new DockerCli({ env: fakeDocker(folder.path, 'exit 99'), signal, log });
      const destination = {
        ...{ name: 'r.azurecr.io/titanic', tags, ifTagExists: 'skip', before: new Map() },
        registry: { digestOf: async () => digest },
      } as unknown as Destination;
      const image = { docker, id: digest, ownInstructions: 1 };
      await assert.rejects(pushEngineImage(image, {}, destination, { log, signal }), { message });
    });
  }

  it('has no digest where docker does not say it', () => {
    assert.equal(parseDigest(`The push refers to repository [x]\n${lastLine}\n`), digest);
    assert.equal(parseDigest('1.0.0: Pushed'), undefined);
  });
});
