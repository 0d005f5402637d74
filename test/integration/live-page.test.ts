import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BrowserContext, Page } from 'playwright-core';
import { root } from '../../scripts/paths';
import { openBrowser } from '../support/browser';
import { skipWithout } from '../support/skip';
import { ToyAgent } from '../unit/agent/toy-extension';

/** Each step waits for a file of its name, so that the test says when a step ends. */
const PIPELINE = `steps:
- checkout: none
- bash: echo first line; until [ -e go ]; do sleep 0.05; done; echo last line of training; rm go
  displayName: Train
- bash: echo "<b>built</b>"; until [ -e go ]; do sleep 0.05; done; exit 3
  displayName: Build
`;

describe('The page of a run that goes on, in a browser', function () {
  this.timeout(180_000);
  let folder: string;
  let agent: ToyAgent;
  let browser: BrowserContext;
  let page: Page;
  let run: ChildProcess;
  let address: string;
  const errors: string[] = [];

  before(async function () {
    skipWithout(this, 'chromium');
    folder = mkdtempSync(join(tmpdir(), 'live-page-'));
    agent = new ToyAgent();
    agent.write('pipeline.yaml', PIPELINE);
    const workFolder = join(agent.folder, 'agent');
    const options = [
      '--vsix',
      agent.vsix,
      '--sources',
      agent.sources,
      '--work-folder',
      workFolder,
      '--watch',
    ];
    run = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        join(root, 'local/agent/main.ts'),
        join(agent.sources, 'pipeline.yaml'),
        ...options,
      ],
      { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    for await (const line of createInterface(run.stdout!)) {
      const [, url] = /^Watch the run at (.*)$/.exec(line) ?? [];
      if (!url) continue;
      address = url;
      break;
    }
    run.stdout!.resume();
    browser = await openBrowser(join(folder, 'profile'));
    page = await browser.newPage();
    page.setDefaultTimeout(90_000);
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(address);
  });

  after(async () => {
    if (run?.exitCode === null) run.kill('SIGKILL');
    await browser?.close();
    agent?.remove();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const step = (name: string) =>
    page.locator('details.step', { has: page.locator('.name', { hasText: name }) });
  const goOn = () => writeFileSync(join(agent.folder, 'agent', '_work', '1', 's', 'go'), '');

  it('shows a step that runs, and the lines of its log as they come', async () => {
    await step('Train').locator('[aria-label="Running"]').waitFor();
    await step('Train').locator('.log', { hasText: 'first line' }).waitFor();
    goOn();
    const lastLine = step('Train').locator('.log', { hasText: 'last line of training' });
    await lastLine.waitFor({ state: 'attached' });
    await step('Train').locator('[aria-label="Succeeded"]').waitFor();
  });

  it('keeps folded what the reader folded, while it is brought up to date', async () => {
    await step('Build').locator('.log', { hasText: '<b>built</b>' }).waitFor();
    await step('Build').locator('summary').first().click();
    goOn();
    await step('Build').locator('[aria-label="Failed"]').first().waitFor({ state: 'attached' });
    assert.equal(await step('Build').getAttribute('open'), null);
  });

  it('shows the end of the run, says what failed, and asks for nothing more', async () => {
    if (run.exitCode === null) await once(run, 'exit');
    assert.equal(run.exitCode, 1);
    await page.locator('.failures', { hasText: 'Build' }).waitFor();
    await page.locator('.badge.Failed').first().waitFor();
    assert.equal(await page.locator('.Running').count(), 0);
    assert.deepEqual(errors, []);
  });
});
