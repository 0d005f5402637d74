import assert from 'node:assert/strict';
import { parseSmokeCheck } from '../../../tasks/AcrBuildPush/smoke-checks';

describe('A line of the smoke test', () => {
  const read = (line: string) => {
    const check = parseSmokeCheck(line);
    assert.ok(typeof check !== 'string', String(check));
    return check;
  };

  it('is a method, a path and a status at least', () => {
    assert.deepEqual(read('GET /api/health 200'), {
      title: 'GET /api/health',
      method: 'GET',
      port: undefined,
      path: '/api/health',
      body: undefined,
      status: 200,
      pointers: [],
    });
  });

  it('may name a port, a body, and what the answer must have', () => {
    const { method, port, path, body, status, pointers } = read(
      'post  :8000/api/predict?a=1  {"class": "1st",  "x": [1, 2]}  201  /prediction /odds/0',
    );
    assert.deepEqual([method, port, path, status], ['POST', 8000, '/api/predict?a=1', 201]);
    assert.equal(body, '{"class": "1st",  "x": [1, 2]}');
    assert.deepEqual(pointers, ['/prediction', '/odds/0']);
  });

  it('may have a body that looks like the rest of a line', () => {
    assert.deepEqual(
      [read('POST /p "a 200 /b" 200 /c').body, read('POST /p 404 200').body],
      ['"a 200 /b"', '404'],
    );
  });

  for (const [line, problem] of [
    ['FETCH /x 200', /begins with 'FETCH', which is none of GET, HEAD/],
    ['GET', /has '' where its path must stand/],
    ['GET api/health 200', /has 'api\/health' where its path must stand/],
    ['GET http://elsewhere/ 200', /where its path must stand/],
    ['GET :99999/x 200', /has the port 99999, but ports are from 1 to 65535/],
    ['GET :0/x 200', /has the port 0/],
    ['GET /x', /does not say which status/],
    ['GET /x /y', /does not say which status/],
    ['GET /x 999', /does not say which status/],
    ['POST /x {"a": 1}', /does not say which status/],
    ["POST /x {'a': 1} 200", /has a body that is no JSON/],
    ['GET /x 200 prediction 200', /has a body that is no JSON/],
  ] as const) {
    it(`says what is wrong with '${line}'`, () => {
      assert.match(String(parseSmokeCheck(line)), problem);
    });
  }

  it('is read in a moment, however long it is', () => {
    assert.equal(typeof parseSmokeCheck(`GET /x ${' /'.repeat(200_000)}`), 'string');
    assert.equal(typeof parseSmokeCheck(`POST /x ${'{ '.repeat(200_000)}200`), 'string');
  });
});
