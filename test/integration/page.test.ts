import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BrowserContext, Page } from 'playwright-core';
import { renderPage } from '../../local/agent/page';
import { openBrowser } from '../support/browser';
import { runExamples } from '../support/example-runs';
import { faultsOfContrast, keyboardReach, overflowing } from '../support/page-checks';
import { skipWithout } from '../support/skip';

const WIDTHS = [1366, 390];
const SCHEMES = ['light', 'dark'] as const;

describe('The page of a run, in a browser', function () {
  this.timeout(180_000);
  let folder: string;
  let browser: BrowserContext;
  let page: Page;
  let address: string;
  const requests: string[] = [];
  const errors: string[] = [];

  before(async function () {
    skipWithout(this, 'chromium');
    folder = mkdtempSync(join(tmpdir(), 'page-'));
    const html = renderPage(await runExamples(), {
      title: 'The titanic model, from notebook to image',
      facts: [
        ['model', 'titanic 1.0.0'],
        ['registry', `https://${'long-name.'.repeat(12)}azurecr.io`],
      ],
    });
    const file = join(folder, 'page.html');
    writeFileSync(file, html);
    address = pathToFileURL(file).href;
    browser = await openBrowser(join(folder, 'profile'));
    page = await browser.newPage();
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.message));
  });

  beforeEach(async () => {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1366, height: 900 });
    await page.goto('about:blank');
    await page.goto(address);
  });

  after(async () => {
    await browser?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const unfoldAll = () =>
    page.evaluate('for (const details of document.querySelectorAll("details")) details.open = true');

  for (const width of WIDTHS) {
    it(`fits ${width} pixels, folded and unfolded`, async () => {
      await page.setViewportSize({ width, height: 800 });
      assert.deepEqual(await page.evaluate(overflowing), []);
      await unfoldAll();
      assert.deepEqual(await page.evaluate(overflowing), []);
    });

    for (const scheme of SCHEMES) {
      it(`has enough contrast everywhere at ${width} pixels in the ${scheme} scheme`, async () => {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme: scheme });
        await unfoldAll();
        await page.locator('input[type=search]').first().fill('line of');
        assert.deepEqual(await page.evaluate(faultsOfContrast), []);
      });
    }
  }

  it('sees text of too little contrast, and what sticks out', async () => {
    await page.evaluate(
      `document.querySelector('h1').style.color = '#bbb'; document.querySelector('h1').style.width = '3000px'`,
    );
    assert.match(String(await page.evaluate(faultsOfContrast)), /The titanic model/);
    assert.match(String(await page.evaluate(overflowing)), /H1/);
  });

  it('lets the keyboard reach everything that the mouse can', async () => {
    const { count, missed } = (await page.evaluate(keyboardReach)) as { count: number; missed: string[] };
    assert.ok(count > 30, `${count} things to reach`);
    assert.deepEqual(missed, []);
    const reached = new Set<string>();
    for (let press = 0; press < 400; press++) {
      await page.keyboard.press('Tab');
      const at = (await page.evaluate('document.activeElement.dataset.reach ?? ""')) as string;
      if (at === '' || reached.has(at)) break;
      reached.add(at);
    }
    assert.equal(reached.size, count);
  });

  it('unfolds a step by the keyboard, and goes from line to line by the arrow keys', async () => {
    const step = page.locator('.step:not([open])').first();
    await step.locator('> summary').focus();
    await page.keyboard.press('Enter');
    const first = page.locator('.step[open] .log').first().locator('.l > a').first();
    await first.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    assert.match(page.url(), /#s[0-9a-f]+-2$/);
  });

  it('opens at the line that its address names, however deep that is folded', async () => {
    const id = await page.locator('.group .l').last().getAttribute('id');
    await page.goto(`${address}#${id}`);
    await page.reload();
    assert.ok(await page.locator(`[id="${id}"]`).isVisible());
  });

  it('searches a log, forth and back', async () => {
    const step = page.locator('.step', { hasText: 'Train titanic' }).first();
    await step.locator('> summary').click();
    const input = step.getByPlaceholder('Search this log');
    await input.fill('9 a LINE');
    const status = step.getByRole('status');
    assert.equal(await status.textContent(), '1 of 10 lines');
    await input.press('Enter');
    await input.press('Shift+Enter');
    await input.press('Shift+Enter');
    assert.equal(await status.textContent(), '10 of 10 lines');
    await input.fill('no such thing');
    assert.equal(await status.textContent(), 'Not found');
  });

  it('copies a whole digest where it shows its beginning', async () => {
    await browser.grantPermissions(['clipboard-read', 'clipboard-write']);
    const chain = page.locator('.chain');
    await chain.getByRole('button', { name: /^Copy example.azurecr.io/ }).click();
    await chain.getByText('Copied').waitFor();
    assert.match(
      (await page.evaluate('navigator.clipboard.readText()')) as string,
      /^example\.azurecr\.io\/titanic-model-api@sha256:[0-9a-f]{64}$/,
    );
  });

  it('runs its scripts, and asks nobody for anything', () => {
    assert.deepEqual(errors, []);
    assert.deepEqual(
      [...new Set(requests)].filter((url) => !/^(file|data|about):/.test(url)),
      [],
    );
  });

  it('is whole without scripts', async () => {
    const plain = await openBrowser(join(folder, 'no-scripts'), { javaScriptEnabled: false });
    try {
      const bare = await plain.newPage();
      await bare.goto(address);
      assert.ok(await bare.locator('.failure pre', { hasText: "assert 'died' == 'survived'" }).isVisible());
      assert.equal(await bare.locator('button').count(), 0, 'no button that does nothing');
      const step = bare.locator('.step').first();
      await step.locator('> summary').click();
      assert.ok(await step.locator('.log').isVisible(), 'a step unfolds');
    } finally {
      await plain.close();
    }
  });
});
