import assert from 'node:assert/strict';
import type { TaskError } from '../../../tasks/common/errors';
import { InputReader } from '../../../tasks/common/inputs';
import { createLogger } from '../../../tasks/common/log';

function reader(inputs: Record<string, string>) {
  const lines: string[] = [];
  return {
    lines,
    inputs: new InputReader(
      (name) => inputs[name],
      createLogger((line) => lines.push(line)),
    ),
  };
}

describe('inputs', () => {
  it('are read by their type', () => {
    const { inputs } = reader({ text: 'a', flag: 'True', pick: 'QUEUE', number: '16' });
    assert.equal(inputs.required('text'), 'a');
    assert.equal(inputs.boolean('flag', false), true);
    assert.equal(inputs.boolean('other', true), true);
    assert.equal(inputs.choice('pick', ['queue', 'fail'], 'fail'), 'queue');
    assert.equal(inputs.integer('number', { min: 1, max: 64 }, 8), 16);
    assert.equal(inputs.integer('none', { min: 1, max: 64 }, 8), 8);
    inputs.check();
  });

  it('are all reported together when they are wrong', () => {
    const { inputs } = reader({ pick: 'perhaps', number: '1e3', flag: 'yes' });
    inputs.required('host', 'with a token');
    inputs.choice('pick', ['queue', 'fail'], 'fail');
    inputs.integer('number', { min: 1, max: 64 }, 8);
    inputs.boolean('flag', false);
    assert.throws(
      () => inputs.check(),
      (error: Error) => {
        assert.match(error.message, /^4 inputs must be put right\./);
        for (const part of [
          "'host' is missing (with a token)",
          "'pick' is 'perhaps', but must be one of: queue, fail",
          "'number' is '1e3', but must be a whole number from 1 to 64",
          "'flag' is 'yes', but must be one of: true, false",
        ]) {
          assert.ok(error.message.includes(part), part);
        }
        return true;
      },
    );
  });

  for (const [value, variable] of [
    ['$(databricks-host)', 'databricks-host'],
    ['https://$(storage.account)/x', 'storage.account'],
    ['a=1\nb=$(Build.Reason)', 'Build.Reason'],
  ] as const) {
    it(`name the variable that the agent did not know in ${JSON.stringify(value)}`, () => {
      const { inputs } = reader({ host: value });
      inputs.required('host');
      assert.throws(
        () => inputs.check(),
        (error: Error) => {
          assert.ok(error.message.startsWith(`Input 'host' holds $(${variable})`), error.message);
          assert.match(error.message, /variable group/);
          return true;
        },
      );
    });
  }

  for (const [value, remedy] of [
    ['$(download.manifestPath)', /give that step `name: download`/],
    ['$(Build.Number)', /Azure Pipelines sets none of that name/],
    ['$(version)', /^Input 'host' holds .*\. Define it, or link/],
  ] as const) {
    it(`say where ${value} should come from`, () => {
      const { inputs } = reader({ host: value });
      inputs.required('host');
      assert.throws(() => inputs.check(), { message: remedy });
    });
  }

  it('are an error each, and say once what is wrong with one', () => {
    const { inputs } = reader({ host: '$(host)', flag: 'perhaps' });
    inputs.required('host');
    inputs.required('host');
    inputs.boolean('flag', false);
    assert.throws(
      () => inputs.check(),
      (error: TaskError) => {
        assert.equal(error.issues.length, 2);
        for (const issue of error.issues) assert.match(issue, /^Input '(host|flag)' /);
        return true;
      },
    );
  });

  it('tell a secret that may be empty from one that nobody set', () => {
    const { inputs } = reader({});
    inputs.requiredSecret('token');
    assert.throws(() => inputs.check(), { message: /is missing, or set to a variable that is empty/ });
  });

  it('take a secret only after it is masked, and never log it', () => {
    const { inputs, lines } = reader({ token: 'dapi-12345' });
    assert.equal(inputs.requiredSecret('token'), 'dapi-12345');
    assert.ok(lines.length > 0);
    assert.ok(lines.every((line) => line.startsWith('##vso[task.setsecret]')));
  });

  it('in KEY=VALUE lines keep later equals signs and empty values', () => {
    const { inputs } = reader({ parameters: 'a=1=2\n\n  b = two words \r\nc=' });
    assert.deepEqual(inputs.keyValueLines('parameters'), { a: '1=2', b: 'two words', c: '' });
    inputs.check();
  });

  for (const [lines, fault] of [
    ['a', "has the line 'a', which is not KEY=VALUE"],
    ['=1', "has the line '=1', which is not KEY=VALUE"],
    ['a=1\na=2', 'sets a twice. Keep one of the lines.'],
    ['a: 1', "is not KEY=VALUE. Write a=… in place of 'a: …'."],
  ] as const) {
    it(`in KEY=VALUE lines refuse ${JSON.stringify(lines)}`, () => {
      const { inputs } = reader({ parameters: lines });
      inputs.keyValueLines('parameters');
      assert.throws(
        () => inputs.check(),
        (error: Error) => error.message.includes(fault),
      );
    });
  }
});
