import assert from 'node:assert/strict';
import { openSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '../../../../tasks/common/log';
import { Journal } from '../../../../tasks/ModelRegistryDownload/folder/journal';
import { AgentState } from '../../../../tasks/ModelRegistryDownload/folder/state';
import { temporaryFolder } from '../support';

const HEAD = {
  source: { account: 'a', container: 'titanic', prefix: '1.0.0/', endpoint: 'e' },
  workshop: '1:2',
};
const FILE = {
  ...{ path: 'model.pkl', name: '1.0.0/model.pkl', size: 8 * 1024 * 1024, etag: '0x1', md5: null },
  ...{ lastModified: new Date(0), tier: 'Hot', rehydration: undefined, isFolder: false },
};
const STEP = '0b6f9a52-94e1-4c3b-8f63-1f2c6a0f7f10';

describe('the journal of a download', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let lines: string[];
  const log = createLogger((line) => lines.push(line));

  beforeEach(async () => {
    lines = [];
    folder = await temporaryFolder();
  });
  afterEach(() => folder.remove());

  it('leads the next step on from what has come', () => {
    const file = join(folder.path, 'journal');
    const journal = new Journal(openSync(file, 'a'), HEAD, log);
    journal.add(FILE, { offset: 0, length: FILE.size }, false);
    journal.close();
    const earlier = Journal.read(readFileSync(file, 'utf8'), HEAD);
    assert.deepEqual(
      earlier?.rangesOf(FILE).map(({ range }) => range),
      [{ offset: 0, length: FILE.size }],
    );
  });

  it('is done without where it cannot be written, as on a full disk', async () => {
    const file = join(folder.path, 'journal');
    await writeFile(file, '');
    // Whatever is written to a file that is open for reading alone is refused.
    const journal = new Journal(openSync(file, 'r'), HEAD, log);
    journal.add(FILE, { offset: 0, length: FILE.size }, false);
    assert.equal(journal.bytesOf(FILE), FILE.size);
    journal.close();
    assert.match(lines.join('\n'), /##vso\[task\.debug\].*the next one will begin anew: EBADF/);
    assert.equal(lines.length, 1);
    assert.equal(Journal.read(readFileSync(file, 'utf8'), HEAD), undefined);
  });

  it('is done without where its file cannot be made', async () => {
    const memory = join(folder.path, 'work', 'memory');
    AgentState.open(memory, '/models/titanic', log).close();
    const [own] = await readdir(memory);
    await mkdir(join(memory, own!, `${STEP}.journal`));
    const state = AgentState.open(memory, '/models/titanic', log);
    state.remember(STEP);
    assert.equal(state.createJournal(STEP), undefined);
    state.close();
    assert.match(lines.join('\n'), /Nothing can be remembered from one step to the next: EISDIR/);
  });
});
