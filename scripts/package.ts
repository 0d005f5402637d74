import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildExtension } from './build';
import { type Extension, type Task, underIdentity } from './identity';
import { changeExtension } from './laid-out';
import { badgesOf, documentedAt, linkedTo, pageLinkedTo } from './links';
import { type PackageOptions, readPackageOptions } from './options';
import { asList, packExtension } from './pack';
import { buildFolder, root, vsixIn } from './paths';
import { validateExtension } from './validate';
import { atVersion } from './versions';

/**
 * Lays out, checks and packs the extension as it is asked for.
 *
 * @param layout where it is laid out; what is in that folder goes
 * @param output where the package is put
 * @returns the package's file
 * @throws when the Marketplace or an agent would refuse it
 */
async function packageExtension(options: PackageOptions, layout: string, output: string): Promise<string> {
  await buildExtension(layout);
  const manifest = changeExtension(
    layout,
    (extension) => asAskedFor(extension, options),
    (page) => pageLinkedTo(page, options.repository),
  );
  const faults = validateExtension(layout);
  if (faults.length > 0) throw new Error(asList('The extension is not fit for the Marketplace', faults));
  const file = vsixIn(output, manifest);
  mkdirSync(output, { recursive: true });
  writeFileSync(file, packExtension(layout));
  return file;
}

function asAskedFor(extension: Extension, options: PackageOptions): Extension {
  const { identity, version, repository } = options;
  const versioned = version === undefined ? extension : atVersion(extension, version);
  const [{ helpUrl }] = Object.values(extension.tasks) as [Task];
  const { manifest, tasks } = documentedAt(underIdentity(versioned, identity), helpUrl, repository);
  const badges = options.public ? { badges: badgesOf(manifest) } : {};
  return { manifest: { ...linkedTo(manifest, repository), public: options.public, ...badges }, tasks };
}

/**
 * Packs a build of one's own, which leaves nothing but its package: the build folder holds the extension as everybody
 * has it, which tests and local agent run.
 */
export async function packageElsewhere(options: PackageOptions, output: string): Promise<string> {
  const layout = mkdtempSync(join(tmpdir(), 'extension-'));
  try {
    return await packageExtension(options, layout, output);
  } finally {
    rmSync(layout, { recursive: true });
  }
}

/*
 * Usage: package.ts [--publisher <you>] [--extension-id <id>] [--dev [--version <version>]] [--repository <address>]
 * [--public] [folder]
 */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const own = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));
    const { options, folder } = readPackageOptions(process.argv.slice(2), own);
    const output = resolve(folder ?? buildFolder);
    const { publisher, extensionId } = options.identity;
    const file =
      publisher === own.publisher && extensionId === own.id
        ? await packageExtension(options, output, output)
        : await packageElsewhere(options, output);
    console.log(`Packed ${relative(root, file)}`);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
