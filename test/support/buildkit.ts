import { execFile } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { planDirectBuild } from '../../tasks/AcrBuildPush/build/direct/direct-build';
import { NeedsEngine } from '../../tasks/AcrBuildPush/build/needs-engine';
import { splitBuild } from '../../tasks/AcrBuildPush/build/split';
import type { BuildPlan } from '../../tasks/AcrBuildPush/build-plan';
import type { ImageConfig, OciImage, ParentImage, RemoteLayer } from '../../tasks/AcrBuildPush/image/image';
import { capturedLog, leastPlan } from '../unit/AcrBuildPush/support';
import type { BuildCase } from './build-cases';
import { writeBaseContext, writeContext } from './build-contexts';
import { type FlatImage, flattenBuilt, flattenFiles } from './image-files';
import { copyShell } from './shell-image';
import { skip } from './skip';

/** What Dockerfiles call the image that has files, users and a shell. */
export const BASE = 'base.example/team/base:1';

const run = promisify(execFile);

/** An image that BuildKit has written as an OCI layout, its layers as they are. */
interface Layout {
  readonly folder: string;
  readonly digest: string;
  readonly image: ParentImage;
}

/** Why somebody builds nothing. */
export interface Refusal {
  readonly refusal: string;
  /** Whether it is left to an engine. */
  readonly needsEngine: boolean;
}

/**
 * For the tests of a suite: a BuildKit of its own (`BUILDKIT_ADDRESS`, with `buildctl` on the PATH), a context and a base
 * image. Skips the suite where there is none.
 */
export function useBuildKit() {
  const folder = mkdtempSync(join(tmpdir(), 'buildkit-'));
  const context = join(folder, 'context');
  let base: Layout | undefined;
  let count = 0;

  before(async function () {
    if (!process.env.BUILDKIT_ADDRESS) skip(this, 'no BuildKit: run test/buildkit/run');
    mkdirSync(context);
    writeContext(context);
    const baseContext = join(folder, 'base-context');
    mkdirSync(baseContext);
    writeBaseContext(baseContext);
    copyShell(join(baseContext, 'files'));
    const recipe = readFileSync(join(baseContext, 'Dockerfile'), 'utf8');
    base = await byBuildKit({ recipe }, baseContext);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function byBuildKit(
    { recipe, arguments: given = {}, target }: Pick<BuildCase, 'recipe' | 'arguments' | 'target'>,
    from = context,
  ): Promise<Layout> {
    const place = join(folder, `build-${count++}`);
    mkdirSync(place);
    writeFileSync(join(place, 'Dockerfile'), recipe);
    const options = [
      ...(target ? [`target=${target}`] : []),
      ...Object.entries(given).map(([name, value]) => `build-arg:${name}=${value}`),
      ...(base ? [`context:${BASE}=oci-layout://base@${base.digest}`] : []),
    ];
    const image = join(place, 'image');
    await run('buildctl', [
      ...['--addr', process.env.BUILDKIT_ADDRESS!, 'build', '--no-cache', '--frontend', 'dockerfile.v0'],
      ...['--progress', 'plain', '--local', `context=${from}`, '--local', `dockerfile=${place}`],
      ...options.flatMap((option) => ['--opt', option]),
      ...(base ? ['--oci-layout', `base=${base.folder}`] : []),
      ...['--output', `type=oci,tar=false,dest=${image},compression=uncompressed,force-compression=true`],
    ]);
    return readLayout(image);
  }

  /** The image that BuildKit makes of a Dockerfile. */
  async function whole(one: BuildCase): Promise<FlatImage | Refusal> {
    try {
      const { image, folder: layout } = await byBuildKit(one);
      const flat = await flattenFiles(image.config, image.layers);
      rmSync(join(layout, '..'), { recursive: true, force: true });
      return flat;
    } catch (error) {
      const lines = String((error as { stderr?: string }).stderr ?? error).split('\n');
      return {
        refusal: lines.filter((line) => /^error: /.test(line)).join(' ') || lines.slice(-3).join(' '),
        needsEngine: false,
      };
    }
  }

  /** The image that this step makes of it, by itself or on what BuildKit makes of its beginning. */
  async function here({ recipe, arguments: given = {}, target }: BuildCase): Promise<FlatImage | Refusal> {
    const dockerfile = join(folder, 'none', 'Dockerfile');
    const plan: BuildPlan = { ...leastPlan, recipe, context, dockerfile, arguments: given, target };
    const options = {
      pull: async () => ({
        ...base!.image,
        digest: base!.digest,
        layers: base!.image.layers as RemoteLayer[],
      }),
      log: capturedLog().log,
      signal: new AbortController().signal,
    };
    try {
      const planned = await planDirectBuild(plan, options);
      if (!(planned instanceof NeedsEngine)) return await flattenBuilt(await planned.make({}));
      const split = splitBuild(plan);
      if (!split) return { refusal: planned.message, needsEngine: true };
      const head = await byBuildKit({ recipe: split.head, arguments: given });
      const rest = await planDirectBuild(plan, options, { split, image: head.image });
      if (rest instanceof NeedsEngine) return { refusal: rest.message, needsEngine: true };
      const image: OciImage = await rest.make({});
      return await flattenBuilt(image);
    } catch (error) {
      return { refusal: (error as Error).message, needsEngine: false };
    }
  }

  return { whole, here };
}

function readLayout(folder: string): Layout {
  const blob = (digest: string) => join(folder, 'blobs', digest.replace(':', '/'));
  const read = (digest: string) => JSON.parse(readFileSync(blob(digest), 'utf8'));
  const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
  const digest: string = manifests[0].digest;
  const manifest = read(digest);
  const config: ImageConfig = read(manifest.config.digest);
  const layers = (config.rootfs.diff_ids ?? []).map((diffId, index): RemoteLayer => {
    const descriptor = manifest.layers[index];
    const path = blob(descriptor.digest);
    return {
      kind: 'remote',
      diffId,
      descriptor: { ...descriptor, size: statSync(path).size },
      host: 'base.example',
      repository: 'team/base',
      open: async (start = 0) => createReadStream(path, { start }),
    };
  });
  return { folder, digest, image: { digest, config, layers } };
}
