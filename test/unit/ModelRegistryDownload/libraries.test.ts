import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compareLibraries, pinned } from '../../../tasks/ModelRegistryDownload/libraries';
import { temporaryFolder } from './support';

describe('the libraries that made a model', () => {
  const made = new Map([['scikit-learn', new Set(['1.5.2'])]]);
  let workspace: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeEach(async () => {
    workspace = await temporaryFolder();
    await mkdir(join(workspace.path, 'model-api'), { recursive: true });
  });
  afterEach(() => workspace.remove());

  async function compare(requirements: string, pickled = made): Promise<string> {
    await writeFile(join(workspace.path, 'model-api/requirements.txt'), requirements);
    return compareLibraries(pickled, join(workspace.path, 'model-api/pickles'), workspace.path).join();
  }

  it('differ from those that the API installs', async () => {
    const said = await compare('Flask==3.1.3\nScikit_Learn[tests] == 1.4.0 ; python_version < "3.14"\n');
    assert.match(said, /made with scikit-learn 1\.5\.2, but model-api.requirements\.txt installs 1\.4\.0/);
  });

  it('are the same where one of several pins is', async () => {
    assert.equal(await compare('scikit-learn==1.5.2; python_version < "3"\nscikit-learn==1.7.2\n'), '');
  });

  it('are the same with and without zeros at the end, as they are to pip', async () => {
    const round = new Map([['scikit-learn', new Set(['1.5.0'])]]);
    assert.equal(await compare('scikit-learn==1.5\n', round), '');
    assert.equal(await compare('scikit-learn==1.5.0.0\n', round), '');
    assert.match(await compare('scikit-learn==1.50\n', round), /installs 1\.50/);
  });

  it('may be known by their first number alone', async () => {
    const numpy = new Map([['numpy', new Set(['2'])]]);
    assert.equal(await compare('numpy==2.1.3\n', numpy), '');
    assert.match(await compare('numpy==1.26.4\n', numpy), /made with numpy 2, but .* installs 1\.26\.4/);
    assert.match(await compare('numpy==20.1\n', numpy), /installs 20\.1/);
  });

  it('are not compared with what is not pinned, or not there', async () => {
    assert.equal(await compare('scikit-learn>=1.4\n'), '');
    assert.deepEqual(compareLibraries(made, join(workspace.path, 'pickles'), workspace.path), []);
    assert.deepEqual(compareLibraries(made, join(workspace.path, 'a/b'), undefined), []);
  });

  it('are read from pins alone', () => {
    assert.deepEqual([...pinned('a==1\n# b==2\n-r c.txt\nd~=3\ne==4 # why\n').keys()], ['a', 'e']);
  });
});
