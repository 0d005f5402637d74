/*
 * Makes the pictures of docs/ and images/ anew, with the system's Chromium: `npm run demo`, then `npm run screenshots`. The failure
 * is that of the example which the tests of the page use. `npm run screenshots -- designer` draws the designer's forms
 * alone, which needs no demo.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { renderPage } from '../local/agent/page';
import { openBrowser } from '../test/support/browser';
import { runExamples } from '../test/support/example-runs';
import { drawForms } from './designer/pictures';
import { MARKETPLACE_SIZE, shrink, withServiceNames } from './marketplace-pictures';
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
  const namedPage = join(folder, 'demo.html');
  writeFileSync(namedPage, withServiceNames(readFileSync(demoPage, 'utf8')));
  const failedPage = join(folder, 'failed.html');
  const failed = (await runExamples()).filter(({ result }) => result === 'Failed');
  writeFileSync(failedPage, renderPage(failed, { title: 'Tests of the titanic model', facts: [] }));

  const browser = await openBrowser(join(folder, 'profile'));
  try {
    const page = await browser.newPage();
    const marketplace = { scheme: 'light', ...MARKETPLACE_SIZE } as const;
    const pictures = [
      { file: namedPage, picture: 'docs/demo-page', scheme: 'light', width: 1100, height: 1180 },
      { file: failedPage, picture: 'docs/failed-page', scheme: 'dark', width: 1100, height: 900 },
      { file: failedPage, picture: 'docs/failed-page-phone', scheme: 'light', width: 390, height: 844 },
      { file: namedPage, picture: 'images/run', ...marketplace },
      { file: namedPage, picture: 'images/summary', from: 'details.summary', ...marketplace },
    ] as const;
    for (const { file, picture, scheme, width, height, ...more } of pictures) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height });
      await page.goto(pathToFileURL(file).href);
      if ('from' in more)
        await page
          .locator(more.from)
          .first()
          .evaluate((part) => part.scrollIntoView());
      const shown = join(root, `${picture}.png`);
      await page.screenshot({ path: shown });
      if (picture.startsWith('images/')) shrink(shown);
      console.log(`${picture}.png`);
    }
  } finally {
    await browser.close();
  }
}
