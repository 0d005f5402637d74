import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { readInputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { FakeStep } from './support';

const work = resolve('/agent/_work/1');
const sources = join(work, 's');
const key = Buffer.alloc(64, 1).toString('base64');

const VARIABLES = {
  'Build.SourcesDirectory': sources,
  'System.DefaultWorkingDirectory': sources,
};

function read(changes: Record<string, string> = {}) {
  const step = new FakeStep(
    join(work, '..', '_temp', 'ModelRegistryDownload-1'),
    {
      storageAccount: 'contosomodels',
      storageKey: key,
      modelName: 'titanic',
      modelVersion: '1.0.0',
      destinationFolder: join(sources, 'model-api/pickles'),
      ...changes,
    },
    VARIABLES,
  );
  return { inputs: readInputs(step), step };
}

describe('the inputs of a download', () => {
  it('need only account, key, model, version and folder', () => {
    assert.deepEqual(read().inputs, {
      registry: {
        kind: 'blob',
        account: 'contosomodels',
        endpoint: 'https://contosomodels.blob.core.windows.net',
        signIn: { kind: 'accountKey', input: 'storageKey', key },
      },
      model: 'titanic',
      version: '1.0.0',
      includePrereleases: false,
      versionsFolder: '',
      patterns: ['**'],
      requiredFiles: [],
      completeness: 'auto',
      nameRules: { ofWindows: false, asOne: false },
      verify: 'stored',
      signature: 'verifyIfPresent',
      trustedKeys: undefined,
      pickleScan: 'warn',
      pickleAllow: new Set(),
      destination: join(sources, 'model-api/pickles'),
      concurrency: 96,
    });
  });

  it('take lists one entry a line, without blank lines and comments', () => {
    const { inputs } = read({
      patterns: '# all but logs\n**\n\n !**/*.log \r\n',
      requiredFiles: 'model.pkl\r\n\r\n metadata.json\n# comment\n./data\\flags.pkl\n/a.pkl',
    });
    assert.deepEqual(inputs.patterns, ['**', '!**/*.log']);
    assert.deepEqual(inputs.requiredFiles, ['model.pkl', 'metadata.json', 'data/flags.pkl', 'a.pkl']);
  });

  it('take full names that pickles may import, and nothing less', () => {
    const { inputs } = read({ pickleAllow: '# ours\nmymodule.Scorer\n__main__.Clean\n' });
    assert.deepEqual([...inputs.pickleAllow], ['mymodule.Scorer', '__main__.Clean']);
    for (const wrong of ['mymodule', 'mymodule.*', 'mymodule.Scorer()', 'a b.c'])
      assert.throws(() => read({ pickleAllow: wrong }), /'pickleAllow' holds .* no full name/);
  });

  for (const name of [
    'os.system',
    'posix.system',
    'subprocess.Popen',
    'builtins.eval',
    '__builtin__.getattr',
    'importlib.import_module',
    'cloudpickle.cloudpickle._make_function',
    'dill._dill._create_function',
    'types.FunctionType',
    'io.open',
  ]) {
    it(`do not take ${name} for a name that pickles may import: it leads to everything`, () => {
      assert.throws(() => read({ pickleAllow: `mymodule.Scorer\n${name}` }), {
        message: new RegExp(`'pickleAllow' holds '${name}', by which a pickle can run anything`),
      });
    });
  }

  const understood: [
    input: string,
    value: string,
    name: keyof ReturnType<typeof read>['inputs'],
    expected: unknown,
  ][] = [
    ['pathPrefix', '/models/live/', 'versionsFolder', 'models/live/'],
    ['pathPrefix', '/', 'versionsFolder', ''],
    ['modelVersion', '2026-11-23 (rc 1)', 'version', '2026-11-23 (rc 1)'],
    ['modelVersion', '>=1.2.0 <2.0.0', 'version', '>=1.2.0 <2.0.0'],
    ['modelVersion', 'latest', 'version', 'latest'],
    ['includePrereleases', 'True', 'includePrereleases', true],
    ['destinationFolder', 'model', 'destination', join(sources, 'model')],
    ['destinationFolder', join(work, 'a'), 'destination', join(work, 'a')],
    ['verify', 'CRC64', 'verify', 'crc64'],
    ['maxConcurrency', '128', 'concurrency', 128],
  ];
  for (const [input, value, name, expected] of understood) {
    it(`understand ${input} '${value}'`, () => {
      assert.equal(read({ [input]: value }).inputs[name], expected);
    });
  }

  const refused: [input: string, value: string, message: RegExp][] = [
    ['authType', 'password', /'authType' is 'password', but must be one of: accountKey, sasToken/],
    ['storageAccount', '', /'storageAccount' is missing/],
    ['storageAccount', 'Contoso', /3 to 24 lower-case letters and digits/],
    ['storageAccount', 'https://contoso.blob.core.windows.net', /Give the name alone/],
    ['storageKey', '', /'storageKey' is missing/],
    ['storageKey', '$(storage-key)', /no variable 'storage-key'/],
    ['storageKey', 'DefaultEndpointsProtocol=https;AccountKey=x', /not an account key/],
    ['storageKey', 'sv=2025&sig=abc%3D', /not an account key/],
    ['blobEndpoint', 'contoso.blob.core.windows.net', /must be an address/],
    ['blobEndpoint', 'ftp://contoso', /must be an address/],
    ['blobEndpoint', 'https://contoso.blob.core.windows.net?sv=1&sig=x', /more than an address/],
    ['modelName', 'My_Model', /no container can be named/],
    ['modelName', 'titanic--two', /no container can be named/],
    ['modelName', 'ab', /no container can be named/],
    ['modelVersion', '', /'modelVersion' is missing/],
    ['modelVersion', 'live/1.0.0', /'pathPrefix'/],
    ['modelVersion', '>=1.x.y', /no range of semantic versions.*1\.x, \^1\.2/],
    ['modelVersion', '..', /name of one folder/],
    ['pathPrefix', 'a/../b', /a path in the container/],
    ['pathPrefix', 'a//b', /a path in the container/],
    ['signature', 'require', /'trustedKeys' is missing \('signature' is require\)/],
    ['trustedKeys', 'keys/model.pub', /'trustedKeys' is not PEM/],
    ['trustedKeys', '$(model-signing-key)', /no variable 'model-signing-key'/],
    ['patterns', '# nothing', /holds only comments/],
    ['maxConcurrency', '129', /from 1 to 128/],
    ['destinationFolder', '', /'destinationFolder' is missing/],
    ['destinationFolder', sources, /is empty, or is the sources folder itself/],
    ['destinationFolder', '.', /is empty, or is the sources folder itself/],
    ['destinationFolder', work, /holds the pipeline's own folders/],
    ['destinationFolder', resolve('/'), /holds the pipeline's own folders/],
    ['destinationFolder', '../../_temp', /holds the pipeline's own folders/],
  ];
  for (const [input, value, message] of refused) {
    it(`refuse ${input} '${value}'`, () => {
      assert.throws(() => read({ [input]: value }), { name: 'TaskError', message });
    });
  }

  it('have all mistakes told together', () => {
    assert.throws(
      () => read({ modelName: 'A', maxConcurrency: 'x', storageKey: '' }),
      (error: Error) =>
        ['modelName', 'maxConcurrency', 'storageKey'].every((name) => error.message.includes(name)),
    );
  });
});
