import assert from 'node:assert/strict';
import {
  PORTABLE,
  refuseHostileNames,
  rulesOf,
} from '../../../../tasks/ModelRegistryDownload/registry/names';

const refuse = (...paths: string[]) => refuseHostileNames(paths, 'model-manifest.json');

describe('names in the registry', () => {
  for (const path of [
    'model.pkl',
    'data/v1/model.pkl',
    '.hidden',
    '..two-dots.pkl',
    'three...dots',
    'with space.pkl',
    'ünïcödé.pkl',
    'مودل.pkl',
    '%2e%2e',
    'a#b&c+d=e;f',
    'console.log',
    'nullable',
    'com10.txt',
    'sub/model-manifest.json',
  ]) {
    it(`may be ${path}`, () => refuse(path));
  }

  const refused: [why: string, ...paths: string[]][] = [
    ["holds '.' or '..'", '..', '../evil', 'a/../../evil', 'a/..', './a', 'a/./b'],
    ['begins with a slash', '/etc/passwd'],
    ['empty name between slashes', 'a//b', 'a/', ''],
    ['backslash', 'a\\b', 'C:\\Windows\\x'],
    ["holds '.' or '..'", '..\\..\\evil', 'a\\..'],
    ['control characters', 'a\nb', 'tab\there', 'bell\u0007', 'next\u0085line', 'line\u2028separator'],
    ['direction of writing', 'model\u202elkp.exe', 'a\u200fb', '\u2067x\u2069', 'sub\u061c/x'],
    ['which Windows cannot store', 'a:b', 'C:/x', 'what?', 'star*', 'pipe|', 'quote"', 'less<', 'more>'],
    ['dot or a space', 'trail.', 'trail ', 'folder./x', 'folder /x'],
    [
      'device on Windows',
      'CON',
      'nul.txt',
      'aux.pkl.gz',
      'sub/com1',
      'LPT9.log',
      'lpt¹',
      'conin$',
      'Prn .txt',
    ],
    ['over 255 bytes', 'x'.repeat(256), `${'ä'.repeat(128)}/y`],
    ['manifest that this task writes', 'model-manifest.json', 'Model-Manifest.JSON'],
    ['folder with the name of the manifest', 'model-manifest.json/x', 'MODEL-manifest.json/a/b'],
  ];
  for (const [why, ...paths] of refused) {
    for (const path of paths) {
      it(`may not be ${JSON.stringify(path.slice(0, 40))}`, () => {
        assert.throws(
          () => refuse('model.pkl', path),
          (error: Error) => error.message.includes(why),
        );
      });
    }
  }

  const collisions: [why: string, paths: string[]][] = [
    ['upper and lower case', ['Model.pkl', 'model.pkl']],
    ['upper and lower case of a folder', ['Data/a.pkl', 'data/b.pkl']],
    ['composed and decomposed letters', ['caf\u00e9.pkl', 'cafe\u0301.pkl']],
    ['letters that only share an upper case', ['ſ.pkl', 's.pkl']],
    ['file and folder', ['data', 'data/a.pkl']],
    ['file and folder in another case', ['DATA', 'data/a.pkl']],
  ];
  for (const [why, paths] of collisions) {
    it(`may not differ only by ${why}`, () => {
      assert.throws(() => refuse(...paths), /one name on some disks|both a file and a folder/);
      assert.throws(() => refuse(...paths.reverse()), /one name on some disks|both a file and a folder/);
    });
  }

  describe('on an agent', () => {
    const paths = ['a:b', 'aux.py', 'trail.', 'back\\slash', 'Model.pkl', 'model.pkl', 'what?'];

    it('of Windows keep the rules of Windows', () => {
      for (const path of paths.slice(0, 4)) {
        assert.throws(
          () => refuseHostileNames([path], 'model-manifest.json', rulesOf('win32')),
          /cannot be written/,
        );
      }
      assert.throws(
        () => refuseHostileNames(['A', 'a'], 'model-manifest.json', rulesOf('win32')),
        /one name/,
      );
    });

    it('of macOS may hold what Windows cannot store, and no two names for one file', () => {
      const told = refuseHostileNames(['a:b'], 'model-manifest.json', rulesOf('darwin'));
      assert.match(told.join(), /"a:b" holds one of/);
      assert.throws(
        () => refuseHostileNames(['A', 'a'], 'model-manifest.json', rulesOf('darwin')),
        /one name/,
      );
    });

    it('of Linux may be all that its disks hold, and what others would refuse is told', () => {
      const told = refuseHostileNames(paths, 'model-manifest.json', rulesOf('linux'));
      assert.equal(told.length, 6);
      assert.match(
        told.join('; '),
        /"aux\.py" holds 'aux\.py', which is a device.*"model\.pkl" and "Model\.pkl" are one/,
      );
      assert.deepEqual(refuseHostileNames(['model.pkl'], 'model-manifest.json', rulesOf('linux')), []);
    });

    it('of any kind may never lead out of the folder, nor hide what they are', () => {
      for (const path of [
        '../x',
        '/x',
        'a//b',
        'a/./b',
        '..\\x',
        'a\nb',
        'model-manifest.json',
        'x'.repeat(256),
      ]) {
        for (const rules of [PORTABLE, rulesOf('linux'), rulesOf('darwin'), rulesOf('win32')]) {
          assert.throws(
            () => refuseHostileNames([path], 'model-manifest.json', rules),
            /cannot be written safely/,
          );
        }
      }
      assert.throws(
        () => refuseHostileNames(['a', 'a/b'], 'x', rulesOf('linux')),
        /both a file and a folder/,
      );
    });
  });

  it('are all told when several are refused', () => {
    assert.throws(
      () => refuse('../a', 'good', 'nul', 'x:y'),
      (error: Error & { details: string[] }) => {
        assert.match(error.message, /holds 3 names that cannot be written safely/);
        assert.equal(error.details.length, 3);
        return true;
      },
    );
  });

  it('show their control characters as escapes', () => {
    assert.throws(() => refuse('a\u0007b'), /"a\\u0007b" holds control characters/);
  });
});
