import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentedAt } from '../../../scripts/links';
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
    [
      'https://dev.azure.com/acme/ml/_git/models',
      'https://dev.azure.com/acme/ml/_git/models?path=/docs/AcrBuildPush.md',
    ],
  ];
  for (const [repository, page] of pages) {
    it(`lead to ${page}`, () => {
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
