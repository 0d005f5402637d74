import assert from 'node:assert/strict';
import { parseModelPath } from '../../../../tasks/ModelRegistryDownload/catalog/model-path';
import { parseVersionWish } from '../../../../tasks/ModelRegistryDownload/catalog/version-wish';

describe('the name of a model in Unity Catalog', () => {
  const understood: [text: string, kind: string, name: string, root: string][] = [
    ['main.ml.titanic', 'model', 'main.ml.titanic', '/Models/main/ml/titanic/'],
    [
      '`my-catalog`.`ml`.`titanic_v2`',
      'model',
      'my-catalog.ml.titanic_v2',
      '/Models/my-catalog/ml/titanic_v2/',
    ],
    ['/Volumes/main/ml/registry', 'volume', 'registry', '/Volumes/main/ml/registry/'],
    ['/Volumes/main/ml/registry/titanic/', 'volume', 'titanic', '/Volumes/main/ml/registry/titanic/'],
    [
      'dbfs:/Volumes/main/ml/registry/live/titanic',
      'volume',
      'titanic',
      '/Volumes/main/ml/registry/live/titanic/',
    ],
  ];
  for (const [text, kind, name, root] of understood) {
    it(`is understood as ${text}`, () => {
      const path = parseModelPath(text);
      assert.ok(typeof path !== 'string', String(path));
      assert.deepEqual([path.kind, path.name, path.root], [kind, name, root]);
    });
  }

  const refused: [text: string, why: RegExp][] = [
    ['titanic', /three parts.*main\.ml\.titanic/],
    ['ml.titanic', /three parts/],
    ['main.ml.titanic.3', /three parts/],
    ['main..titanic', /three parts/],
    ['main.ml.my model', /three parts/],
    ['main.ml.a/b', /three parts/],
    ['models:/main.ml.titanic/3', /address of MLflow.*'modelVersion'/],
    ['/Volumes/main/ml', /no path in a volume/],
    ['/Volumes/main/ml/registry/../other', /no path in a volume/],
    ['/Volumes/main//ml/registry', /no path in a volume/],
    ['/Workspace/main/ml/registry', /no path in a volume/],
    ['/Models/main/ml/titanic', /no path in a volume/],
    ['', /three parts/],
  ];
  for (const [text, why] of refused) {
    it(`is refused as '${text}'`, () => assert.match(String(parseModelPath(text)), why));
  }
});

describe('the version of a model in Unity Catalog', () => {
  const understood: [text: string, wish: object][] = [
    ['3', { kind: 'number', number: 3 }],
    ['123456', { kind: 'number', number: 123456 }],
    ['@champion', { kind: 'alias', alias: 'champion' }],
    ['@prod-2_a', { kind: 'alias', alias: 'prod-2_a' }],
    ['latest', { kind: 'latest' }],
    ['LATEST', { kind: 'latest' }],
  ];
  for (const [text, wish] of understood) {
    it(`is understood as ${text}`, () => assert.deepEqual(parseVersionWish(text), wish));
  }

  const refused: [text: string, why: RegExp][] = [
    ['v3', /numbers versions: give 3/],
    ['Version 12', /numbers versions: give 12/],
    ['champion', /write '@champion'/],
    ['Production', /a stage/],
    ['staging', /a stage/],
    ['1.x', /no ranges/],
    ['>=2', /no ranges/],
    ['*', /no ranges/],
    ['1.0.0', /whole numbers/],
    ['0', /from 1 on/],
    ['-1', /from 1 on/],
    ['03', /from 1 on/],
    ['@', /an alias, such as/],
    ['@a/b', /an alias, such as/],
    ['9'.repeat(40), /whole numbers/],
  ];
  for (const [text, why] of refused) {
    it(`is refused as '${text}'`, () => assert.match(String(parseVersionWish(text)), why));
  }
});
