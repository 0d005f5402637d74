/**
 * What the changelog says of a version.
 *
 * @throws when it says nothing
 */
export function changelogEntry(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split(/[\s\n]/, 1)[0] === version);
  const entry = section?.slice(section.indexOf('\n')).trim();
  if (section?.includes('\n') && entry) return entry;
  throw new Error(`CHANGELOG.md has no entry for ${version}: a heading "## ${version}" with text below it.`);
}
