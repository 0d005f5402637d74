import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths';

/**
 * The licenses of all packages that went into a bundle, to travel with it.
 *
 * @param bundledFiles paths of the bundled files, relative to the repository
 * @throws when a package comes without a license text
 */
export function thirdPartyNotices(bundledFiles: readonly string[]): string {
  const folders = new Set(bundledFiles.map(packageFolder).filter((folder) => folder !== undefined));
  const notices = [...folders].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${licenseText(join(root, folder))}`;
  });
  return `This task contains the following packages.\n\n${notices.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** The package that a file belongs to, also where packages lie within packages. */
function packageFolder(file: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
}

/** A package's license file; a few have the text in a section of their README instead. */
function licenseText(folder: string): string {
  const names = readdirSync(folder);
  const file = names.find((name) => /^(licen[cs]e|copying)/i.test(name));
  if (file) return readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim();
  const readme = readFileSync(
    join(folder, names.find((name) => /^readme/i.test(name)) ?? 'README.md'),
    'utf8',
  );
  const section = /^#*\s*licen[cs]e\s*\n(?:-+\n)?(.*)/ims.exec(readme)?.[1];
  if (!section) throw new Error(`${folder} has no license text, so it can't be shipped.`);
  return section.replaceAll('\r\n', '\n').trim();
}
