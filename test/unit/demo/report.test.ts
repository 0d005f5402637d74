import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { PipelineRecord, StepRecord } from '../../../local/agent/agent';
import { printEnd } from '../../../local/demo/report';

describe('the end of the demo', () => {
  afterEach(() => sinon.restore());

  it('names the step that failed and its reason, and where to look', () => {
    const said: string[] = [];
    sinon.stub(console, 'log').callsFake((line = '') => said.push(line));
    const step = {
      displayName: 'Train titanic 1.0.0',
      task: 'DatabricksRunJob@1.0.0',
      result: 'Failed',
      issues: [{ type: 'error', message: 'Run 7 failed: NameError' }],
      startTime: 0,
      finishTime: 1_500,
    } as unknown as StepRecord;
    const run = {
      file: 'train.yaml',
      result: 'Failed',
      jobs: [{ steps: [step] }],
    } as unknown as PipelineRecord;
    const isGood = printEnd({ runs: [run], results: [] }, 'demo.html', 2_000);
    sinon.restore();
    assert.equal(isGood, false);
    const text = said.join('\n');
    assert.match(text, /train\.yaml: Train titanic 1\.0\.0 failed\.\nRun 7 failed: NameError/);
    assert.match(text, /It failed after 2\.0 s.*demo\.html/);
  });
});
