import assert from 'node:assert/strict';
import { addressProblem, parseWorkspaceAddress } from '../../../../tasks/common/databricks/address';

describe('the address of a workspace', () => {
  const azure = 'https://adb-1234567890123456.7.azuredatabricks.net';
  const cases: [text: string, origin: string, workspaceId: string | undefined][] = [
    [azure, azure, '1234567890123456'],
    ['adb-1234567890123456.7.azuredatabricks.net', azure, '1234567890123456'],
    [`${azure}/?o=1234567890123456#job/1`, azure, '1234567890123456'],
    ['HTTPS://WestEurope.azuredatabricks.net/browse?o=42', 'https://westeurope.azuredatabricks.net', '42'],
    ['https://westeurope.azuredatabricks.net', 'https://westeurope.azuredatabricks.net', undefined],
    ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080', undefined],
    ['http://localhost:8080', 'http://localhost:8080', undefined],
    ['http://[::1]:8080', 'http://[::1]:8080', undefined],
    ['http://workspace:8080', 'http://workspace:8080', undefined],
  ];
  for (const [text, origin, workspaceId] of cases) {
    it(`is taken from ${text}`, () => {
      assert.equal(addressProblem(text), undefined);
      assert.deepEqual(parseWorkspaceAddress(text), { origin, workspaceId });
    });
  }

  const problems: [text: string, problem: RegExp][] = [
    ['not a host', /not a URL.*such as https:\/\/adb-/],
    ['https://', /not a URL/],
    ['ftp://files.example.org', /not a URL/],
    ['https://accounts.azuredatabricks.net', /account console/],
    ['accounts.cloud.databricks.com/login', /account console/],
    ['http://westeurope.azuredatabricks.net', /unencrypted.*https:\/\//],
  ];
  for (const [text, problem] of problems) {
    it(`is refused when it is ${text}`, () => assert.match(addressProblem(text) ?? '', problem));
  }
});
