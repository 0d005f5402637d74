/*
 * Makes the pictures of docs/ anew, with the system's Chromium: `npm run demo`, then `npm run screenshots`. The failure
 * is that of the example which the tests of the page use. `npm run screenshots -- designer` draws the designer's forms
 * alone, which needs no demo.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { renderPage } from '../local/agent/page';
import { openBrowser } from '../test/support/browser';
import { runExamples } from '../test/support/example-runs';
import { drawForms } from './designer/pictures';
import { root } from './paths';

const demoPage = join(root, '.local/demo.html');

await drawForms();
const folder = mkdtempSync(join(tmpdir(), 'screenshots-'));
try {
  if (process.argv[2] !== 'designer') await takePictures();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function takePictures(): Promise<void> {
  if (!existsSync(demoPage)) throw new Error(`There is no ${demoPage}. 'npm run demo' makes it.`);
  const failedPage = join(folder, 'failed.html');
  const failed = (await runExamples()).filter(({ result }) => result === 'Failed');
  writeFileSync(failedPage, renderPage(failed, { title: 'Tests of the titanic model', facts: [] }));

  const browser = await openBrowser(join(folder, 'profile'));
  try {
    const page = await browser.newPage();
    const pictures = [
      { file: demoPage, picture: 'demo-page', scheme: 'light', width: 1100, height: 1180 },
      { file: failedPage, picture: 'failed-page', scheme: 'dark', width: 1100, height: 900 },
      { file: failedPage, picture: 'failed-page-phone', scheme: 'light', width: 390, height: 844 },
    ] as const;
    for (const { file, picture, scheme, width, height } of pictures) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height });
      await page.goto(pathToFileURL(file).href);
      await page.screenshot({ path: join(root, 'docs', `${picture}.png`) });
      console.log(`docs/${picture}.png`);
    }
  } finally {
    await browser.close();
  }
}
