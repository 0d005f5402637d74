import assert from 'node:assert/strict';
import { parseJson, parseJsonVerbatim, writeJson } from '../../../../tasks/common/databricks/json';

describe('JSON of Databricks', () => {
  it('keeps every digit of ids beyond 2^53', () => {
    assert.deepEqual(parseJson('{"run_id":8795400285113916203,"tasks":[{"run_id": -9007199254740993}]}'), {
      run_id: 8795400285113916203n,
      tasks: [{ run_id: -9007199254740993n }],
    });
  });

  it('leaves other numbers, and digits within texts, as they are', () => {
    const text =
      '{"a":12,"b":1.5e3,"c":12345678901234567.5,"d":"\\"run_id\\": 8795400285113916203","e":[1,-2]}';
    assert.deepEqual(parseJson(text), JSON.parse(text));
  });

  it('reads texts that end in an escaped backslash', () => {
    assert.deepEqual(parseJson('{"path":"C:\\\\","run_id":8795400285113916203}'), {
      path: 'C:\\',
      run_id: 8795400285113916203n,
    });
  });

  it('reads outputs of five megabytes full of escapes', () => {
    const result = 'line "1"\n\\'.repeat(500_000);
    const text = `{"notebook_output":${JSON.stringify({ result })},"run_id":8795400285113916203}`;
    assert.deepEqual(parseJson(text), { notebook_output: { result }, run_id: 8795400285113916203n });
  });

  it('refuses what is not JSON', () => {
    for (const text of ['', '<html>', '{"a":01}', '{"a":1234567890123456.}']) {
      assert.throws(() => parseJson(text), SyntaxError, text);
      assert.throws(() => parseJsonVerbatim(text), SyntaxError, text);
    }
  });

  it('reads numbers as they were written where they are meant as texts', () => {
    assert.deepEqual(parseJsonVerbatim('{"version":1.0,"big":12345678901234567890,"e":1e3,"flag":true}'), {
      version: '1.0',
      big: '12345678901234567890',
      e: '1e3',
      flag: true,
    });
  });

  it('writes ids as plain numbers, at any depth', () => {
    const body = {
      job_id: 8795400285113916203n,
      list: [{ id: 1n }, 'x"y', null],
      absent: undefined,
      flag: true,
    };
    assert.equal(
      writeJson(body),
      '{"job_id":8795400285113916203,"list":[{"id":1},"x\\"y",null],"flag":true}',
    );
  });
});
