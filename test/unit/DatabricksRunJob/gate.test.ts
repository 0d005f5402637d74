import assert from 'node:assert/strict';
import { InputReader } from '../../../tasks/common/inputs';
import { checkGate, readConditions } from '../../../tasks/DatabricksRunJob/gate';
import { collectLog } from './support';

function conditions(text: string) {
  const inputs = new InputReader(() => text, collectLog().log);
  const read = readConditions(inputs);
  inputs.check();
  return read;
}

const check = (text: string, now: object | string | undefined, before?: object | string) =>
  checkGate(
    conditions(text),
    typeof now === 'object' ? JSON.stringify(now) : now,
    typeof before === 'object' ? JSON.stringify(before) : before,
  )[0]!;

describe('the gate of metrics', () => {
  const cases: [condition: string, now: number, before: number | undefined, isMet: boolean][] = [
    ['accuracy >= 0.8', 0.8, undefined, true],
    ['accuracy >= 0.8', 0.79, undefined, false],
    ['accuracy > 0.8', 0.8, undefined, false],
    ['accuracy < 1e-3', 0.0005, undefined, true],
    ['accuracy <= -.5', -0.5, undefined, true],
    ['accuracy == 1', 1, undefined, true],
    ['accuracy != 1', 1, undefined, false],
    ['accuracy>=previous', 0.7, 0.7, true],
    ['accuracy >= previous - 0.01', 0.84, 0.85, true],
    ['accuracy >= previous - 0.01', 0.83, 0.85, false],
    // In floating point, 0.7 + 0.1 is a little less than 0.8.
    ['accuracy <= previous + 0.1', 0.8, 0.7, true],
    ['accuracy > previous + 0.1', 0.8, 0.7, false],
    ['accuracy >= previous * 0.9', 0.45, 0.5, true],
    ['accuracy >= previous', 0.1, undefined, true],
  ];
  for (const [condition, now, before, isMet] of cases) {
    it(`finds that ${now}${before === undefined ? '' : ` after ${before}`} ${isMet ? 'passes' : 'does not pass'} ${condition}`, () =>
      assert.equal(
        check(condition, { accuracy: now }, before === undefined ? undefined : { accuracy: before }).isMet,
        isMet,
      ));
  }

  it('finds a metric by its whole name or inside objects, and numbers that are written as texts', () => {
    assert.ok(check('f1-score > 0.5', { 'f1-score': '0.6' }).isMet);
    assert.ok(check('val.auc > 0.5', { val: { auc: 0.6 } }).isMet);
    assert.ok(check('val.auc > 0.5', { 'val.auc': 0.6 }).isMet);
  });

  const problems: [title: string, now: object | string | undefined, remark: RegExp][] = [
    ['is missing', { rocAuc: 1, loss: 0 }, /returned no accuracy, but rocAuc, loss/],
    ['can’t be there', 'stored 1.0.0', /is no JSON object/],
    ['is in JSON with NaN', '{"accuracy": NaN}', /is no JSON object/],
    ['can’t be there without an exit value', undefined, /dbutils\.notebook\.exit/],
    ['is no number', { accuracy: 'good' }, /accuracy is 'good', which is no number/],
    ['is null', { accuracy: null }, /is no number/],
  ];
  for (const [title, now, remark] of problems) {
    it(`does not pass a metric that ${title}`, () => {
      const { isMet, remark: found } = check('accuracy > 0', now);
      assert.equal(isMet, false);
      assert.match(found!, remark);
    });
  }

  it('passes a metric that the previous run did not have, and says so', () => {
    const { isMet, remark } = check('accuracy >= previous', { accuracy: 1 }, { loss: 1 });
    assert.ok(isMet);
    assert.match(remark!, /previous run returned no accuracy/);
  });

  for (const line of [
    'accuracy',
    '>= 1',
    'a >= b',
    'a >= previous /2',
    'a => 1',
    'a >= previous - x',
    'a >= 1 >= 0',
  ]) {
    it(`does not know ${line}`, () => assert.throws(() => conditions(line), /which is no condition/));
  }
});
