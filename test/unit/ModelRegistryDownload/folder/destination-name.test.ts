import assert from 'node:assert/strict';
import { destinationProblem } from '../../../../tasks/ModelRegistryDownload/folder/destination-name';

const WINDOWS = {
  roots: ['C:\\agent\\_work\\1\\s'],
  kept: ['C:\\agent\\_work\\1\\s', 'C:\\agent\\_work', 'C:\\Users\\agent'],
};
const LINUX = { roots: ['/agent/_work/1/s'], kept: ['/agent/_work/1/s', '/agent/_work', '/home/agent'] };

describe('the name of a destination', () => {
  const good: [platform: NodeJS.Platform, ...paths: string[]][] = [
    [
      'win32',
      'C:\\agent\\_work\\1\\s\\model-api\\pickles',
      'C:\\agent\\_work\\1\\s\\model\\',
      'E:\\m',
      '\\\\server\\share\\model',
      'C:\\Users\\agent\\model',
      'C:\\models\\console.d',
    ],
    [
      'linux',
      '/agent/_work/1/s/model',
      '/home/agent/model',
      '/models/a:b',
      '/models/nul',
      '/models/x.',
      '/.github',
    ],
  ];
  for (const [platform, ...paths] of good) {
    for (const path of paths) {
      it(`may be ${path} on ${platform}`, () => {
        assert.equal(destinationProblem(path, platform === 'win32' ? WINDOWS : LINUX, platform), undefined);
      });
    }
  }

  const bad: [platform: NodeJS.Platform, why: RegExp, ...paths: string[]][] = [
    [
      'win32',
      /a path of the kind that Windows/,
      '\\\\?\\C:\\agent\\_work',
      '\\\\.\\C:\\x',
      '//?/C:/x',
      '\\\\?\\UNC\\a\\b',
    ],
    ['win32', /sources folder itself/, 'c:\\AGENT\\_WORK\\1\\S', 'C:\\agent\\_work\\1\\s\\'],
    ['win32', /which holds the pipeline's own folders/, 'C:\\', 'c:\\agent', 'C:\\USERS'],
    ['win32', /a device on Windows/, 'C:\\m\\NUL', 'C:\\con\\m', 'C:\\m\\lpt1.txt', 'C:\\m\\COM¹'],
    ['win32', /drops a dot or a space/, 'C:\\m8.', 'C:\\m9 .\\x', 'C:\\m \\x'],
    ['win32', /which Windows cannot store/, 'C:\\m?x', 'C:\\a:b', 'C:\\m|x'],
    ['win32', /git keeps its own files/, 'C:\\m\\.git', 'C:\\m\\.GIT\\x'],
    ['linux', /sources folder itself/, '/agent/_work/1/s', '/agent/_work/1/s/'],
    ['linux', /which holds the pipeline's own folders or the user's/, '/', '/agent', '/home/agent', '/home'],
    ['linux', /git keeps its own files/, '/m/.git', '/m/.git/modules/x', '/m/.GIT'],
  ];
  for (const [platform, why, ...paths] of bad) {
    for (const path of paths) {
      it(`may not be ${path} on ${platform}`, () => {
        assert.match(destinationProblem(path, platform === 'win32' ? WINDOWS : LINUX, platform) ?? '', why);
      });
    }
  }
});
