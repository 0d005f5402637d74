import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { skip } from '../../support/skip';
import { MANIFEST, METADATA, useDownload } from './download';

const RUN = 'https://adb-1.azuredatabricks.net/jobs/7/runs/42';

describe('downloading a model over another', () => {
  const story = useDownload();

  /** Puts version 1.1.0 beside 1.0.0: one file is as it was, one new, one gone, the others differ. */
  function putNext(metadata: object = {}): void {
    const { server } = story;
    server.put('titanic', '1.1.0/model.pkl', 'the better model');
    server.put('titanic', '1.1.0/lookup.pkl', 'the lookup');
    server.put('titanic', '1.1.0/scaler.pkl', 'the scaler');
    const facts = { ...JSON.parse(METADATA), metrics: { accuracy: 0.81, rocAuc: 0.9 }, ...metadata };
    server.put('titanic', '1.1.0/metadata.json', JSON.stringify(facts));
  }

  it('says what changed: version, files, bytes and metrics', async () => {
    await story.download();
    assert.doesNotMatch(story.step.summary, /Before/);
    putNext();
    await story.download({ version: '1.1.0' });
    const { summary } = story.step;
    for (const line of [
      '| Before | titanic 1.0.0 |',
      '| Metric | Now | Before |',
      '| accuracy | 0.8100 | 0.7831 |',
      '| f1 |  | 0.5900 |',
      '| rocAuc | 0.9000 |  |',
    ]) {
      assert.ok(summary.includes(line), `${line}\n${summary}`);
    }
    assert.match(
      summary,
      /\| Changed since \| 2 files changed, 1 new, 1 gone \(data\/flags\.pkl\), 1 the same, 7 B more \|/,
    );
    assert.match(summary, /\| model\.pkl \| .* \| changed \|$/m);
    assert.match(summary, /\| lookup\.pkl \| .* \| same \|$/m);
    assert.match(summary, /\| scaler\.pkl \| .* \| new \|$/m);
  });

  it('says that nothing changed, in one row', async () => {
    await story.download();
    await story.download();
    assert.match(story.step.summary, /\| Before \| titanic 1\.0\.0 \|\n\| Changed since \| no file \|/);
    assert.match(story.step.summary, /^\| Metric \| Value \|$/m);
    assert.doesNotMatch(story.step.summary, /Change \|$/m);
  });

  it('leads back to the run that trained the model', async () => {
    putNext({ runUrl: RUN });
    await story.download({ version: '1.1.0' });
    assert.ok(story.step.summary.includes(`[The run that trained it](${RUN})`), story.step.summary);
    putNext({ runUrl: RUN.replace('https://', '') });
    await story.download({ version: '1.1.0' });
    assert.ok(story.step.summary.includes(`[The run that trained it](${RUN})`), story.step.summary);
  });

  it('makes no link of what a browser should not open', async () => {
    for (const runUrl of [
      'javascript:alert(1)',
      'file:///etc/passwd',
      'https://user:word@host/',
      '{{workspace.url}}/jobs/7',
      'jobs/7/runs/42',
      42,
      ['https://host/'],
    ]) {
      putNext({ runUrl });
      await story.download({ version: '1.1.0' });
      assert.doesNotMatch(story.step.summary, /The run that trained it/, String(runUrl));
    }
  });

  describe('where a commit has planted what lies there', () => {
    const plant = async (manifest: unknown) => {
      await mkdir(story.destination, { recursive: true });
      await writeFile(join(story.destination, MANIFEST), JSON.stringify(manifest));
    };
    const planted = (path: string) => ({
      ...{ schemaVersion: 1, name: 'a|b', version: '<img src=x>', digest: 'none', source: {} },
      files: [{ path, size: 1, sha256: 'f'.repeat(64) }],
    });

    it('shows it as text', async () => {
      await plant(planted('[x](https://evil)'));
      await story.download();
      assert.ok(story.step.summary.includes(String.raw`| Before | a\|b \<img src=x\> |`), story.step.summary);
      assert.ok(story.step.summary.includes(String.raw`1 gone (\[x\](https://evil))`), story.step.summary);
    });

    it('takes a manifest without a name or a version for none', async () => {
      await plant({ schemaVersion: 1, files: [] });
      await story.download();
      assert.doesNotMatch(story.step.summary, /Before/);
    });

    it('reads no metadata through a link, and waits for no pipe', async function () {
      if (process.platform === 'win32') skip(this, 'Windows has no such files');
      const elsewhere = join(dirname(story.workspace.path), 'secret.json');
      await writeFile(elsewhere, JSON.stringify({ metrics: { pin: 1234 } }));
      const file = join(story.destination, 'metadata.json');
      for (const make of [
        () => symlink(elsewhere, file),
        async () => assert.equal(spawnSync('mkfifo', [file]).status, 0),
        () => mkdir(file),
      ]) {
        await plant(planted('metadata.json'));
        await make();
        // A folder or a pipe in the way of a file of the model fails the step; what counts is that it ends.
        await story.download({ patterns: ['*.pkl'] }).catch(() => undefined);
        assert.doesNotMatch(story.step.summary, /1234/);
        await rm(file, { recursive: true, force: true });
      }
      assert.match(await readFile(elsewhere, 'utf8'), /1234/);
    });
  });
});
