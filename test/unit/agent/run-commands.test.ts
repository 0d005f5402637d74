import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PipelineRecord, StepRecord } from '../../../local/agent/agent';
import { jsStep, jsTask, outputOf, say, sayStep, stepOf, ToyAgent } from './toy-extension';

describe('Logging commands of a task', () => {
  let agent: ToyAgent;
  before(() => {
    agent = new ToyAgent([
      jsTask,
      {
        ...jsTask,
        name: 'Restricted',
        more: { restrictions: { commands: { mode: 'restricted' }, settableVariables: { allowed: ['ok*'] } } },
      },
      { ...jsTask, name: 'Declares', more: { outputVariables: [{ name: 'Declared' }] } },
      {
        ...jsTask,
        name: 'Parts',
        postJob: "console.log('post', process.env.VSTS_TASKVARIABLE_STATE, process.env.INPUT_TEXT)",
      },
    ]);
  });
  after(() => agent.remove());

  const run = (steps: string, variables: Record<string, string> = {}): Promise<PipelineRecord> =>
    agent.runSteps(`steps:\n${steps}`, { variables });
  const runOne = async (lines: string[], variables?: Record<string, string>): Promise<StepRecord> =>
    stepOf(await run(sayStep(lines, { name: 'a' }), variables), 'a');

  it('setvariable sets a variable for later steps', async () => {
    const result = await run(
      sayStep(
        [
          '##vso[task.setvariable variable=My.Var]a%3Bb',
          '##vso[task.setvariable variable=Kept.Case;preservecase=true]c',
        ],
        { name: 'a' },
      ) + jsStep("console.log('$(my.var)', process.env.MY_VAR, process.env.Kept_Case)", { name: 'b' }),
    );
    assert.deepEqual(outputOf(stepOf(result, 'a')), []);
    assert.deepEqual(outputOf(stepOf(result, 'b')), ['a;b a;b c']);
    assert.deepEqual(stepOf(result, 'a').outputVariables, {});
  });

  it('setvariable sets outputs under the name of the step only', async () => {
    const result = await run(
      sayStep(['##vso[task.setvariable variable=x;isOutput=TRUE]1'], { name: 'a' }) +
        jsStep(say('##vso[task.setvariable variable=DECLARED]2'), { name: 'b' }).replace(
          'Js@1',
          'Declares@1',
        ) +
        jsStep("console.log('$(a.x) $(x) $(b.declared) $(declared)', process.env.A_X)", { name: 'c' }),
    );
    assert.deepEqual(outputOf(stepOf(result, 'c')), ['1 $(x) 2 $(declared) 1']);
    assert.deepEqual(stepOf(result, 'a').outputVariables, { x: '1' });
    assert.deepEqual(result.jobs[0]!.outputVariables, { 'a.x': '1', 'b.DECLARED': '2' });
  });

  it('setvariable hides secrets from then on, in outputs too', async () => {
    const result = await run(
      sayStep(
        [
          '##vso[task.setvariable variable=s;issecret=true;isoutput=true]t0p%AZP25-1',
          'it is t0p%-1, or t0p%AZP25-1',
        ],
        { name: 'a' },
      ) + jsStep("console.log('$(a.s)', process.env.A_S, process.env.SECRET_A_S.length)", { name: 'b' }),
    );
    assert.deepEqual(outputOf(stepOf(result, 'a')), ['it is ***, or ***']);
    assert.deepEqual(outputOf(stepOf(result, 'b')), ['*** undefined 6']);
    assert.deepEqual(stepOf(result, 'a').outputVariables, { s: '***' });
    assert.ok(!readFileSync(join(result.folder, 'timeline.json'), 'utf8').includes('t0p%-1'));
  });

  it('setvariable fails the step for a secret of several lines, a missing name and a read-only variable', async () => {
    for (const [command, message] of [
      ['##vso[task.setvariable variable=s;issecret=true]a%0Ab', 'Secrets cannot contain multiple lines'],
      ['##vso[task.setvariable]a', "##vso[task.setvariable] needs the property 'variable'."],
      ['##vso[task.setvariable variable=build.buildId2;isreadonly=true]1', undefined],
      [
        '##vso[task.setvariable variable=System.TeamProject]x',
        "The variable 'System.TeamProject' is read-only and cannot be set.",
      ],
    ] as const) {
      const step = await runOne([command]);
      assert.equal(step.result, message ? 'Failed' : 'Succeeded', command);
      if (message) {
        assert.deepEqual(
          step.issues.map((issue) => issue.message),
          [`Unable to process command '${command}' successfully.`, message],
        );
      }
    }
  });

  it('setvariable only warns about a read-only variable where the server does not insist', async () => {
    const result = await run(
      sayStep(['##vso[task.setvariable variable=x;isreadonly=true]1'], { name: 'a' }) +
        sayStep(['##vso[task.setvariable variable=X]2'], { name: 'b' }) +
        jsStep("console.log('$(x)')", { name: 'c' }),
      { 'agent.readOnlyVariables': 'false' },
    );
    assert.equal(result.result, 'Succeeded');
    assert.match(
      stepOf(result, 'b').issues[0]!.message,
      /^The variable 'X' is read-only, but is set all the same/,
    );
    assert.deepEqual(outputOf(stepOf(result, 'c')), ['2']);
  });

  const completions: [data: string, result: string][] = [
    ['result=Succeeded;', 'Succeeded'],
    ['result=SucceededWithIssues;', 'SucceededWithIssues'],
    ['result=Failed;', 'Failed'],
    ['result=Canceled;', 'Canceled'],
    ['result=Skipped;', 'Skipped'],
    ['result=Cancelled;', 'Failed'],
    ['result=failed;', 'Failed'],
    ['result=succeeded;', 'Failed'],
    ['', 'Failed'],
  ];
  it('complete knows exactly the results of the agent, in their case', async () => {
    const steps = completions.map(([data], index) =>
      sayStep([`##vso[task.complete ${data}]done`], { name: `s${index}`, condition: 'always()' }),
    );
    const result = await run(steps.join(''));
    assert.deepEqual(
      completions.map(([data], index) => [data, stepOf(result, `s${index}`).result]),
      completions,
    );
    assert.match(stepOf(result, 's5').issues[1]!.message, /Command doesn't have valid result value\./);
    assert.equal(stepOf(result, 's0').currentOperation, 'done');
  });

  it('complete cannot make a result better, and an exit code other than 0 fails whatever it said', async () => {
    const result = await run(
      sayStep(['##vso[task.complete result=Failed]', '##vso[task.complete result=Succeeded]'], {
        name: 'a',
      }) +
        jsStep(`${say('##vso[task.complete result=Succeeded]')} process.exitCode = 3`, {
          name: 'b',
          condition: 'always()',
        }) +
        jsStep("process.kill(process.pid, 'SIGKILL')", { name: 'c', condition: 'always()' }),
    );
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => [stepOf(result, name).result, stepOf(result, name).exitCode]),
      [
        ['Failed', 0],
        ['Failed', 3],
        ['Failed', 137],
      ],
    );
    const node = join(agent.folder, 'agent/externals/node20_1/bin/node');
    assert.equal(
      stepOf(result, 'b').issues[0]!.message,
      `Exit code 3 returned from process: file name '${node}', arguments '"${join(agent.folder, 'agent/_work/_tasks/Js_00000000-0000-4000-8000-000000000000/1.0.0/index.js')}"'.`,
    );
  });

  it('issues are shown and kept, and do not fail the step', async () => {
    const step = await runOne([
      '##vso[task.logissue type=error]bad',
      '##vso[task.issue type=Warning;code=7]odd',
      '##vso[task.logissue type=error;sourcepath=a.py]where',
      '##vso[task.logissue type=error;sourcepath=a.py;linenumber=3;columnnumber=5;code=E1]there',
      '##vso[task.logissue]nothing',
    ]);
    assert.equal(step.result, 'Succeeded');
    assert.deepEqual(outputOf(step), [
      '##[error]bad',
      '##[warning]odd',
      '##[error]a.py(,): error : where',
      '##[error]a.py(3,5): error E1: there',
      "##[warning]Can't create TaskIssue from logging event.",
    ]);
    assert.deepEqual(step.issues[0], { type: 'error', message: 'bad' });
  });

  it('issues of another type fail the step; only ten of a kind are kept', async () => {
    assert.equal((await runOne(['##vso[task.logissue type=info]x'])).result, 'Failed');
    const many = Array.from({ length: 12 }, (_, index) => `##vso[task.logissue type=error]e${index}`);
    const step = await runOne([...many, '##vso[task.logissue type=warning]w']);
    assert.equal(outputOf(step).length, 13);
    assert.deepEqual(
      step.issues.map(({ message }) => message),
      [...many.slice(0, 10).map((line) => line.slice(line.indexOf(']') + 1)), 'w'],
    );
  });

  it('setprogress goes from 0 to 100 and never back', async () => {
    const step = await runOne([
      '##vso[task.setprogress value=40]half',
      '##vso[task.setprogress value=140]',
      '##vso[task.setprogress value=x]late',
    ]);
    assert.equal(step.percentComplete, 100);
    assert.equal(step.currentOperation, 'late');
  });

  it('setsecret hides a text from the next line on, each line for itself', async () => {
    const step = await runOne([
      'first line',
      '##vso[task.setsecret]first line%0Asecond line',
      'first line',
      '##vso[task.setsecret]second line',
      'a second line',
    ]);
    assert.deepEqual(outputOf(step), ['first line', 'first line', 'a ***']);
  });

  it('settaskvariable is known to the parts of the same task only', async () => {
    const result = await run(
      jsStep(say('##vso[task.settaskvariable variable=state]one'), {
        name: 'a',
        inputs: { text: 'A' },
      }).replace('Js@1', 'Parts@1') +
        jsStep('console.log(process.env.VSTS_TASKVARIABLE_STATE)', { name: 'b' }).replace('Js@1', 'Parts@1'),
    );
    const posts = result.jobs[0]!.steps.filter((step) => step.displayName === 'Post-job: Parts');
    assert.deepEqual(posts.map(outputOf), [['post undefined preset'], ['post one A']]);
    assert.deepEqual(outputOf(stepOf(result, 'b')), ['undefined']);
  });

  it('prependpath puts folders before PATH, the last one first', async () => {
    const result = await run(
      sayStep(['##vso[task.prependpath]/one', '##vso[task.prependpath]/two', '##vso[task.prependpath]/one']) +
        jsStep("console.log(process.env.PATH.split(':').slice(0, 3).join())", { name: 'b' }),
    );
    assert.deepEqual(outputOf(stepOf(result, 'b')), [`/one,/two,${process.env.PATH!.split(':')[0]}`]);
  });

  it('debug is shown only with system.debug, which also shows what was processed', async () => {
    const code = ['##vso[task.debug]details', '##vso[task.setvariable variable=x]a%3Bb'];
    assert.deepEqual(outputOf(await runOne(code)), []);
    const lines = outputOf(await runOne(code, { 'system.debug': 'true' }));
    assert.ok(lines.includes('##[debug]details'));
    assert.ok(lines.includes('##[debug]Processed: ##vso[task.setvariable variable=x]a;b'));
    assert.ok(!lines.some((line) => line.includes('Processed: ##vso[task.debug]')));
  });

  it('that are none are printed with a warning; those of unknown areas are swallowed with one', async () => {
    const step = await runOne([
      'look: ##vso[oops]x',
      '##vso[nosuch.thing]x',
      '##vso[task.nosuch]x',
      '##vso[results.publish]x',
    ]);
    assert.deepEqual(outputOf(step).slice(0, 3), [
      "##[warning]'look: ##vso[oops]x' contains logging command keyword '##vso', but it's not a legal command.",
      'look: ##vso[oops]x',
      '##[warning]Cannot find command extension for ##vso[nosuch.command].',
    ]);
    assert.match(step.issues[3]!.message, /^There is no command ##vso\[task\.nosuch\]/);
    assert.match(
      step.issues[5]!.message,
      /The local agent has nothing that could carry out ##vso\[results\.publish\]/,
    );
    assert.equal(step.result, 'Failed');
  });

  it('are limited by the restrictions in task.json', async () => {
    const result = await run(
      jsStep(
        say(
          '##vso[task.setvariable variable=okay]1',
          '##vso[task.setvariable variable=other]2',
          '##vso[task.uploadsummary]/nowhere',
          '##vso[task.prependpath]/x',
          '##vso[task.setprogress value=5]',
        ),
        { name: 'a' },
      ).replace('Js@1', 'Restricted@1') + jsStep("console.log('$(okay) $(other)')", { name: 'b' }),
    );
    const step = stepOf(result, 'a');
    assert.equal(step.result, 'Succeeded');
    assert.deepEqual(
      step.issues.map((issue) => issue.message),
      [
        "Setting variable 'other' has been disabled by the task or build definition.",
        '##vso[task.uploadsummary] is not allowed in this step due to policy restrictions.',
        "Setting variable 'PATH' has been disabled by the task or build definition.",
      ],
    );
    assert.deepEqual(outputOf(stepOf(result, 'b')), ['1 $(other)']);
  });

  it('upload copies of files, which outlive the run', async () => {
    const result = await run(
      jsStep(
        `const fs = require('fs'); process.chdir(process.env.AGENT_TEMPDIRECTORY); fs.writeFileSync('My page.md', '# Hi');
         const file = process.cwd() + '/My page.md';
         for (const command of ['task.uploadsummary', 'task.uploadfile', 'task.addattachment type=t;name=n', 'artifact.upload artifactname=drop;containerfolder=docs', 'build.uploadlog']) console.log('##vso[' + command + ']' + file)`,
        { name: 'a' },
      ) +
        sayStep(
          ['##vso[task.uploadsummary]/no/such.md', '##vso[task.addattachment type=a/b;name=n]/etc/hosts'],
          { name: 'b' },
        ),
    );
    const step = stepOf(result, 'a');
    assert.deepEqual(step.issues, []);
    assert.deepEqual(
      step.summaries.map(({ name, path, markdown }) => [name, readFileSync(path, 'utf8'), markdown]),
      [['My page.md', '# Hi', '# Hi']],
    );
    assert.deepEqual(
      step.attachments.map(({ type, name, path }) => [type, name, readFileSync(path, 'utf8')]),
      [
        ['Distributedtask.Core.Summary', 'My page.md', '# Hi'],
        ['DistributedTask.Core.FileAttachment', 'My page.md', '# Hi'],
        ['t', 'n', '# Hi'],
        ['DistributedTask.Core.Log', 'CustomToolLog', '# Hi'],
      ],
    );
    assert.deepEqual(
      result.artifacts.map(({ name, path }) => [name, existsSync(join(path, 'docs/My page.md'))]),
      [['drop', true]],
    );
    assert.equal(stepOf(result, 'b').result, 'Failed');
    assert.equal(stepOf(result, 'b').attachments.length, 0);
    assert.ok(!existsSync(join(agent.folder, 'agent/_work/_temp')));
  });

  it('set the number and the tags of the run', async () => {
    const result = await run(
      sayStep([
        '##vso[build.updatebuildnumber]titanic-1.0.0',
        '##vso[build.addbuildtag]model',
        '##vso[build.addbuildtag]model',
      ]) + jsStep("console.log('$(Build.BuildNumber)')", { name: 'b' }),
    );
    assert.equal(result.buildNumber, 'titanic-1.0.0');
    assert.deepEqual(result.tags, ['model']);
    assert.deepEqual(outputOf(stepOf(result, 'b')), ['titanic-1.0.0']);
  });

  it('logdetail checks what it is given', async () => {
    const id = (last: number) => `00000000-0000-0000-0000-00000000000${last}`;
    const good = await runOne([
      `##vso[task.logdetail id=${id(1)};name=n;type=build]`,
      `##vso[task.logdetail id=${id(2)};parentid=${id(1)};name=n;type=build]`,
      `##vso[task.logdetail id=${id(2)};progress=50]`,
    ]);
    assert.deepEqual(good.issues, []);
    const bad = await runOne([
      '##vso[task.logdetail name=n]',
      `##vso[task.logdetail id=${id(1)};type=t]`,
      `##vso[task.logdetail id=${id(1)};name=n]`,
      `##vso[task.logdetail id=${id(1)};name=n;type=t;parentid=${id(9)}]`,
    ]);
    assert.deepEqual(
      bad.issues.map(({ message }) => message).filter((_, index) => index % 2 === 1),
      [
        "##vso[task.logdetail] needs the property 'id'.",
        "##vso[task.logdetail] needs the property 'name'.",
        "##vso[task.logdetail] needs the property 'type'.",
        `The parent ${id(9)} of the record ${id(1)} does not exist.`,
      ],
    );
  });

  it('setendpoint changes a connection for later steps', async () => {
    const id = '12345678-90ab-4def-8abc-1234567890ab';
    const task = { ...jsTask, inputs: [...jsTask.inputs, { name: 'c', type: 'connectedService:x' }] };
    agent.pack([task]);
    const result = await agent.runSteps(
      `steps:\n${sayStep(
        [
          `##vso[task.setendpoint id=${id};field=url]https://new.example/`,
          `##vso[task.setendpoint id=${id};field=authParameter;key=token]n3w`,
          `##vso[task.setendpoint id=${id};field=dataParameter;key=plan]big`,
          '##vso[task.setendpoint id=00000000-0000-0000-0000-000000000000;field=url]https://x',
          'n3w',
        ],
        { name: 'a' },
      )}${jsStep(`for (const name of ['URL_${id}', 'AUTH_PARAMETER_${id}_TOKEN', 'DATA_${id}_PLAN']) console.log(process.env['ENDPOINT_' + name])`, { name: 'b', inputs: { c: id } })}${sayStep(
        [
          `##vso[task.setendpoint id=${id};field=nosuch;key=k]v`,
          `##vso[task.setendpoint id=${id.replace('1', '2')};field=url]https://x`,
          `##vso[task.setendpoint id=${id};field=url]no url`,
        ],
        { name: 'c' },
      )}`,
      {
        serviceConnections: [
          {
            id,
            name: 'x',
            type: 'x',
            url: 'https://old.example',
            scheme: 'Token',
            parameters: { token: 'old' },
          },
        ],
      },
    );
    assert.match(
      outputOf(stepOf(result, 'a')).join('\n'),
      /^##\[warning\]The connection to the server itself cannot be changed.*\n\*\*\*$/,
    );
    assert.deepEqual(outputOf(stepOf(result, 'b')), ['https://new.example/', '***', 'big']);
    assert.equal(stepOf(result, 'c').issues.length, 6);
  });
});
