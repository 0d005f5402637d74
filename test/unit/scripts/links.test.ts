import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentedAt, pageLinkedTo } from '../../../scripts/links';
import { root } from '../../../scripts/paths';

const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'));

describe('The links of forms to their documentation', () => {
  const task = read('tasks/AcrBuildPush/task.json');
  const manifest = { ...read('vss-extension.json'), publisher: 'acme', id: 'models' };
  const linked = (repository?: string) =>
    documentedAt({ manifest, tasks: { AcrBuildPush: task } }, task.helpUrl, repository);

  const pages: [repository: string | undefined, page: string][] = [
    [undefined, 'https://marketplace.visualstudio.com/items?itemName=acme.models'],
    ['https://github.com/acme/models.git', 'https://github.com/acme/models/blob/HEAD/docs/AcrBuildPush.md'],
    ['https://github.com/acme/models.git/', 'https://github.com/acme/models/blob/HEAD/docs/AcrBuildPush.md'],
    [
      'https://dev.azure.com/acme/ml/_git/models',
      'https://dev.azure.com/acme/ml/_git/models?path=/docs/AcrBuildPush.md',
    ],
  ];
  for (const [repository, page] of pages) {
    it(`lead from ${repository ?? 'a package without a repository'} to ${page}`, () => {
      const { AcrBuildPush } = linked(repository).tasks as Record<string, typeof task>;
      assert.equal(AcrBuildPush.helpUrl, page);
      assert.ok(AcrBuildPush.helpMarkDown.endsWith(`[Learn more about this task](${page})`));
    });
  }

  it('stand in the dialog of service connections too', () => {
    const [connection] = linked('https://github.com/acme/models').manifest.contributions.slice(-1);
    assert.match(
      JSON.stringify(connection),
      /href=\\"https:\/\/github\.com\/acme\/models\/blob\/HEAD\/docs\/DatabricksRunJob\.md\\"/,
    );
  });
});

describe('The links of the Marketplace’s page', () => {
  const page = '[a](docs/a.md), ![b](images/b.png), [c](https://learn.microsoft.com/c), [d](LICENSE)';

  it('lead into the repository', () => {
    assert.equal(
      pageLinkedTo(page, 'https://github.com/acme/models.git'),
      '[a](https://github.com/acme/models/blob/HEAD/docs/a.md), ![b](images/b.png), ' +
        '[c](https://learn.microsoft.com/c), [d](https://github.com/acme/models/blob/HEAD/LICENSE)',
    );
  });

  it('are plain text without one', () => {
    assert.equal(
      pageLinkedTo(page, undefined),
      'a, ![b](images/b.png), [c](https://learn.microsoft.com/c), d',
    );
  });

  it('stay inside the repository’s files', () => {
    const overview = readFileSync(join(root, 'overview.md'), 'utf8');
    for (const [, file] of overview.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)) {
      assert.ok(existsSync(join(root, file!)), file);
    }
    assert.doesNotMatch(pageLinkedTo(overview, undefined), /\]\((?!images\/|https:)/);
  });
});
