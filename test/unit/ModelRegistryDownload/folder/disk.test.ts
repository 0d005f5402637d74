import assert from 'node:assert/strict';
import { TaskError } from '../../../../tasks/common/errors';
import { explainDiskError } from '../../../../tasks/ModelRegistryDownload/folder/disk';

describe('an error of the disk', () => {
  const cases: [code: string, message: RegExp][] = [
    ['ENOSPC', /'\/models\/pickles' cannot be written: the disk is full\. Free some space/],
    ['EACCES', /has no permission.*'destinationFolder'/],
    ['EROFS', /read-only/],
    ['EBUSY', /another process uses it, or it is a mount point/],
  ];
  for (const [code, message] of cases) {
    it(`with the code ${code} is told with what to do`, () => {
      const told = explainDiskError(Object.assign(new Error(code), { code }), '/models/pickles');
      assert.ok(told instanceof TaskError);
      assert.match(told.message, message);
    });
  }

  for (const code of ['EINVAL', 'EILSEQ']) {
    it(`with the code ${code} for a name that the disk does not take says so`, () => {
      const error = Object.assign(new Error(code), { code, syscall: 'open', path: '/mnt/share/a:b' });
      assert.match(
        (explainDiskError(error, '/models/pickles') as Error).message,
        /^'\/mnt\/share\/a:b' has a name that its disk does not take\. Rename the file in the registry/,
      );
    });
  }

  it('that has no folder made is told with what to do, as a read-only disk says it', () => {
    const error = Object.assign(new Error(), { code: 'ENOENT', syscall: 'mkdir', path: '/mnt/x' });
    const { message } = explainDiskError(error, '/models/pickles') as Error;
    assert.match(message, /^'\/mnt\/x' cannot be made: its disk is read-only, or not there/);
  });

  it('names its own path, where it has one', () => {
    const error = Object.assign(new Error(), { code: 'EACCES', path: '/models/pickles/model.pkl' });
    assert.match(
      (explainDiskError(error, '/models/pickles') as Error).message,
      /^'\/models\/pickles\/model\.pkl'/,
    );
  });

  it('that is none stays what it is', () => {
    const error = new Error('something else');
    assert.equal(explainDiskError(error, '/models/pickles'), error);
  });
});
