import assert from 'node:assert/strict';
import { createLogger } from '../../../tasks/common/log';
import { redact } from '../../../tasks/common/secrets';

function capture() {
  const lines: string[] = [];
  return { lines, log: createLogger((line) => lines.push(line)) };
}

describe('the log', () => {
  it('prints every line of a text on a line of its own, defused', () => {
    const { lines, log } = capture();
    log.info('one\r\n##vso[task.complete result=Succeeded]');
    assert.deepEqual(lines, ['one', '##_vso[task.complete result=Succeeded]']);
  });

  it('keeps a warning of several lines in one command', () => {
    const { lines, log } = capture();
    log.warning('100 % sure\n##vso[task.complete]');
    assert.deepEqual(lines, ['##vso[task.logissue type=warning;]100 %AZP25 sure%0A##_vso[task.complete]']);
  });

  it('ends the step with a message that cannot give orders, and passes outputs byte for byte', () => {
    const { lines, log } = capture();
    log.complete('Failed', 'Bad\n##vso[task.complete result=Succeeded]\u001b[31m');
    log.command('task.setvariable', { variable: 'x' }, '##vso[x] \u001b');
    assert.deepEqual(lines, [
      '##vso[task.complete result=Failed;]Bad%0A##_vso[task.complete result=Succeeded]',
      '##vso[task.setvariable variable=x;]##vso[x] \u001b',
    ]);
  });

  it('ends a group also when its body fails', async () => {
    const { lines, log } = capture();
    await assert.rejects(
      log.group('work', async () => {
        log.info('inside');
        throw new Error('no');
      }),
    );
    assert.deepEqual(lines, ['##[group]work', 'inside', '##[endgroup]']);
  });

  it('masks a secret in every form that it may take', () => {
    const { lines, log } = capture();
    const secret = 'p@ss/w0rd=first\nsecond line';
    log.maskSecret(secret, 'robot');
    const masked = lines.map((line) =>
      /^##vso\[task\.setsecret\](.*)$/.exec(line)?.[1]?.replaceAll('%AZP25', '%'),
    );
    for (const form of [
      'p@ss/w0rd=first',
      'second line',
      encodeURIComponent('p@ss/w0rd=first'),
      Buffer.from('p@ss/w0rd=first').toString('base64'),
      Buffer.from(`robot:${secret}`).toString('base64'),
    ]) {
      assert.ok(masked.includes(form), `${form} is not masked`);
    }
  });

  it('does not print a known secret, nor leave it in a text that is uploaded', () => {
    const { lines, log } = capture();
    log.maskSecret('s3cr3t-value');
    lines.length = 0;
    log.info('the key is s3cr3t-value.');
    log.debug(`as base64: ${Buffer.from('s3cr3t-value').toString('base64')}`);
    assert.deepEqual(lines, ['the key is ***.', '##vso[task.debug]as base64: ***']);
    assert.equal(redact('s3cr3t-value'), '***');
  });

  it('bounds a line', () => {
    const { lines, log } = capture();
    log.info('x'.repeat(100_000));
    assert.ok(lines[0]!.length < 9_000);
    assert.match(lines[0]!, /\(92000 more characters\)$/);
  });
});
