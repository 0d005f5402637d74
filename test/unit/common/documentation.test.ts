import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, taskNames } from '../../../scripts/paths';
import { documentationOf } from '../../../tasks/common/documentation';
import { TaskError } from '../../../tasks/common/errors';
import { ConnectionError } from '../../../tasks/common/http';

const PAGE = 'https://github.com/acme/models/blob/HEAD/docs/AcrBuildPush.md';
const headings = new Set(
  readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')
    .match(/^##+ .*$/gm)!
    .map((line) =>
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
);

describe('The documentation of an error', () => {
  const errors: [error: TaskError, paragraph: string][] = [
    [new ConnectionError('No connection to contoso.azurecr.io'), 'agent-network-and-tls'],
    [new TaskError("Can't sign in to Azure with the service connection"), 'service-connections-to-azure'],
    [new TaskError('contoso.azurecr.io does not accept the password'), 'acrbuildpush'],
  ];
  for (const [error, paragraph] of errors) {
    it(`of '${error.message}' is a paragraph that there is`, () => {
      const page = documentationOf(error, PAGE);
      assert.equal(page, `https://github.com/acme/models/blob/HEAD/docs/troubleshooting.md#${paragraph}`);
      assert.ok(headings.has(paragraph));
    });
  }

  it('has a paragraph for each task', () => {
    for (const task of taskNames) assert.ok(headings.has(task.toLowerCase()), task);
  });

  it('is found in Azure Repos too', () => {
    assert.equal(
      documentationOf(new TaskError('x'), 'https://dev.azure.com/a/b/_git/c?path=/docs/AcrBuildPush.md'),
      'https://dev.azure.com/a/b/_git/c?path=/docs/troubleshooting.md&anchor=acrbuildpush',
    );
  });

  it('is none where the package knows no repository, and for mistakes in inputs', () => {
    const own = 'https://marketplace.visualstudio.com/items?itemName=acme.models';
    assert.equal(documentationOf(new TaskError('x'), own), undefined);
    assert.equal(documentationOf(new TaskError('x', { issues: ['x'] }), PAGE), undefined);
  });
});
