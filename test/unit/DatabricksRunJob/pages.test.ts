import assert from 'node:assert/strict';
import { parseWorkspaceAddress } from '../../../tasks/common/databricks/address';
import { jobPage, runPage } from '../../../tasks/DatabricksRunJob/databricks/pages';

describe('the pages of a workspace', () => {
  const azure = 'https://adb-1234567890123456.7.azuredatabricks.net';

  it('leads to the pages of jobs and runs', () => {
    const address = parseWorkspaceAddress(azure);
    assert.equal(jobPage(address, '12'), `${azure}/jobs/12?o=1234567890123456`);
    assert.equal(runPage(address, '12', '34'), `${azure}/jobs/12/runs/34?o=1234567890123456`);
    assert.equal(
      runPage(parseWorkspaceAddress('localhost:1'), '12', '34'),
      'https://localhost:1/jobs/12/runs/34',
    );
  });
});
