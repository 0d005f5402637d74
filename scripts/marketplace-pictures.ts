import { spawnSync } from 'node:child_process';

/** What the Marketplace asks of pictures. */
export const MARKETPLACE_SIZE = { width: 1366, height: 768 };

/** The demo's services, as its page names them, and what such a service is called in Azure. */
const SERVICES = {
  'Databricks workspace': 'https://adb-1234567890123456.7.azuredatabricks.net',
  'model registry': 'https://contosomodels.blob.core.windows.net',
  'container registry': 'contoso.azurecr.io',
} as const;

/** Every agent's administrator downloads the pictures too. Where `pngquant` is not installed, they stay as they are. */
export function shrink(file: string): void {
  spawnSync('pngquant', ['--force', '--output', file, '64', file], { stdio: 'inherit' });
}

/**
 * The demo's page with the addresses that its services would have in Azure, since those on this machine tell a reader
 * nothing.
 */
export function withServiceNames(html: string): string {
  let page = html;
  for (const [fact, name] of Object.entries(SERVICES)) {
    const [, address] = new RegExp(`<dt>${fact}</dt><dd>([^<]+)</dd>`).exec(html) ?? [];
    if (address === undefined) throw new Error(`The demo's page does not tell the address of the ${fact}.`);
    const [host] = withoutScheme(address).split('/');
    page = page.replaceAll(address, name).replaceAll(host!, withoutScheme(name));
  }
  return page;
}

function withoutScheme(address: string): string {
  return address.replace(/^https?:\/\//, '');
}
