import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PACKAGE_OPTIONS, type PackageOptions, packageOptions } from '../options';
import { asList } from '../pack';
import { packageElsewhere } from '../package';
import { root } from '../paths';
import { readReleased, taskDigests } from '../released';
import { type Candidate, objections, readCheckout, testedCommit } from './checks';
import { MARKETPLACE, Marketplace } from './marketplace';
import { marketplaceToken } from './sign-in';

interface PublishOptions extends PackageOptions {
  /** Organizations that may install it, where it is private. */
  readonly shareWith: readonly string[];
  readonly marketplace: string;
}

function readOptions(args: readonly string[], own: { publisher: string; id: string }): PublishOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...PACKAGE_OPTIONS,
      'share-with': { type: 'string', multiple: true, default: [] },
      'service-url': { type: 'string', default: MARKETPLACE },
    },
  });
  if (values.publisher === undefined) throw new Error('Say as whom: --publisher <you>');
  if (values.public && !values.repository) {
    throw new Error(
      '--public needs --repository <address>, where users find support and the privacy statement.',
    );
  }
  return {
    ...packageOptions(values, own),
    shareWith: values['share-with'],
    marketplace: values['service-url'],
  };
}

async function publish(options: PublishOptions, own: { version: string }): Promise<void> {
  const { identity, shareWith } = options;
  const version = options.version ?? own.version;
  const marketplace = new Marketplace(options.marketplace, marketplaceToken());
  const folder = mkdtempSync(join(tmpdir(), 'publish-'));
  try {
    const vsix = await packageElsewhere(options, folder);
    const candidate: Candidate = {
      ...readCheckout(root),
      version,
      dev: identity.dev,
      testedCommit: testedCommit(root),
      changelog: readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
      digests: identity.dev ? {} : await ownDigests(options, folder),
      released: readReleased(),
      published: await marketplace.versions(identity.publisher, identity.extensionId),
    };
    const found = objections(candidate);
    if (found.length > 0) throw new Error(asList('Nothing was published', found));
    await marketplace.publish(vsix, shareWith);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const reach = options.public
    ? 'everybody'
    : shareWith.join(', ') || 'nobody yet (--share-with <organization>)';
  console.log(`Published ${identity.publisher}.${identity.extensionId} ${version}, for ${reach}.`);
}

/** What is recorded as released are the tasks as they are under nobody's name. */
async function ownDigests({ identity: _, ...options }: PublishOptions, folder: string) {
  const { publisher, id } = ownManifest;
  const identity = { publisher, extensionId: id, dev: false };
  const plain = await packageElsewhere({ ...options, identity }, join(folder, 'plain'));
  return taskDigests(readFileSync(plain));
}

const ownManifest = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));

/*
 * Usage: npm run publish -- --publisher <you> [--share-with <organization>]… [--public] [--service-url <address>],
 * and the options of npm run package
 */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await publish(readOptions(process.argv.slice(2), ownManifest), ownManifest);
  } catch (error) {
    console.error((error as Error).message ?? error);
    process.exitCode = 1;
  }
}
