import { type BrowserContext, chromium } from 'playwright-core';

/** What keeps the system's Chromium to the page that it is given. */
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Starts the system's Chromium without a window.
 *
 * @param profile a new folder, which is the caller's to remove
 */
export function openBrowser(
  profile: string,
  options: { readonly javaScriptEnabled?: boolean; readonly deviceScaleFactor?: number } = {},
): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    chromiumSandbox: false,
    args: FLAGS,
    ...options,
  });
}
