import assert from 'node:assert/strict';
import { renderPage } from '../../../local/agent/page';
import { adviceOn, readAdvices } from '../../../local/agent/view/advice';
import { AnsiReader } from '../../../local/agent/view/ansi';
import { renderLog } from '../../../local/agent/view/log-view';
import { renderMarkdown } from '../../../local/agent/view/markdown';
import { runExamples } from '../../support/example-runs';
import { jsStep, jsTask, sayStep, ToyAgent } from './toy-extension';

describe('Markdown of summaries', () => {
  const table: [name: string, markdown: string, html: string][] = [
    ['paragraphs', 'one\ntwo\n\nthree', '<p>one\ntwo</p><p>three</p>'],
    ['headings below those of the page', '# A\n### B #', '<h3>A</h3><h5>B</h5>'],
    [
      'bold, italic, code and links',
      '**b** *i* _i_ `a*b*` [t](https://x.y/z_1_2)',
      '<p><strong>b</strong> <em>i</em> <em>i</em> <code>a*b*</code> <a href="https://x.y/z_1_2" rel="noreferrer">t</a></p>',
    ],
    ['names with underscores', 'a_b_c 2*3*4', '<p>a_b_c 2*3*4</p>'],
    ['escaped characters', '\\*a\\* \\<b\\> 1\\|2', '<p>*a* &lt;b&gt; 1|2</p>'],
    [
      'lists in lists',
      '- a\n  - b\n  - c\n- d',
      '<ul><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ul>',
    ],
    ['numbered lists', '1. a\n2. b', '<ol><li>a</li><li>b</li></ol>'],
    ['block quotes', '> **a**\n> b', '<blockquote><p><strong>a</strong>\nb</p></blockquote>'],
    [
      'code',
      '```json\n{ "a": "<b>" }\n\n# no heading\n```\nafter',
      '<pre><code>{ &quot;a&quot;: &quot;&lt;b&gt;&quot; }\n\n# no heading</code></pre><p>after</p>',
    ],
    ['rules', 'a\n\n---\nb', '<p>a</p><hr><p>b</p>'],
    [
      'tables',
      '| A | B |\n|---|--:|\n| 1 | `x\\|y` |\n\nafter',
      '<div class="wide"><table><thead><tr><th>A</th><th class="right">B</th></tr></thead><tbody><tr><td>1</td><td class="right"><code>x|y</code></td></tr></tbody></table></div><p>after</p>',
    ],
    [
      'details',
      '<details><summary>More **here**</summary>\n\n- a\n\n<details open>\n<summary>In</summary>\nb\n</details>\n</details>\nend',
      '<details><summary>More <strong>here</strong></summary><ul><li>a</li></ul><details open><summary>In</summary><p>b</p></details></details><p>end</p>',
    ],
    [
      'details in one line',
      '<details><summary>S</summary>x</details>',
      '<details><summary>S</summary><p>x</p></details>',
    ],
    [
      'other HTML as text',
      '<script>alert(1)</script> <img src=x onerror=y>',
      '<p>&lt;script&gt;alert(1)&lt;/script&gt; &lt;img src=x onerror=y&gt;</p>',
    ],
    [
      'no links but to the web',
      '[x](javascript:alert(1)) [y](https://a"b)',
      '<p>[x](javascript:alert(1)) <a href="https://a&quot;b" rel="noreferrer">y</a></p>',
    ],
    ['details that are never closed as text', '<details>\na', '<p>&lt;details&gt;\na</p>'],
  ];
  for (const [name, markdown, html] of table) {
    it(`renders ${name}`, () => {
      assert.equal(renderMarkdown(markdown).replace(/>\n(?=<|$)/g, '>'), html);
    });
  }
});

describe('The log on the page', () => {
  const text = (html: string) => html.replace(/<[^>]+>/g, '|').replace(/\|+/g, '|');
  const render = (...log: string[]) => renderLog({ log, logFile: '/logs/1.log' }, 's1');

  it('colors lines by their tags, as the viewer of Azure DevOps does', () => {
    const html = render('##[section]Starting', '##[error]<bad>', '##[command]ls', 'plain ##[error]');
    assert.match(html, /class="l section" id="s1-1"><a href="#s1-1">1<\/a><span>Starting</);
    assert.match(html, /class="l error" [^>]+><a [^>]+>2<\/a><span>##\[error\]&lt;bad&gt;</);
    assert.match(html, /class="l command" [^>]+><a [^>]+>3<\/a><span>ls</);
    assert.match(html, /class="l" [^>]+><a [^>]+>4<\/a><span>plain ##\[error\]</);
  });

  it('folds groups, also those that are never closed', () => {
    const html = render('##[group]One', 'a', '##[endgroup]', 'b', '##[group]Two', 'c');
    assert.equal(text(html), '|1|One|2|a|4|b|5|Two|6|c|');
    assert.equal(html.match(/<details/g)!.length, html.match(/<\/details>/g)!.length);
  });

  it('shows the beginning and the end of a long log, and says where all of it is', () => {
    const html = render(...Array.from({ length: 100_000 }, (_, index) => `line ${index + 1}.`));
    for (const shown of ['line 1.', 'line 500.', 'line 98001.', 'line 100000.'])
      assert.ok(html.includes(shown), shown);
    for (const hidden of ['line 501.', 'line 98000.']) assert.ok(!html.includes(hidden), hidden);
    assert.match(html, /97500 lines are not shown\. All are in \/logs\/1\.log/);
    assert.ok(html.length < 400_000);
  });

  it('shortens a long line', () => {
    const html = render('x'.repeat(1_000_000));
    assert.match(html, /x… \(998000 more characters\)/);
    assert.ok(html.length < 3_000);
  });
});

describe('The colors of a log', () => {
  const read = (...lines: string[]) => {
    const reader = new AnsiReader();
    return lines.map((line) => reader.read(line.replaceAll('ESC', '\u001b'))).join('|');
  };
  const table: [what: string, lines: string[], html: string][] = [
    ['a color and its end', ['ESC[31mred ESC[0m.'], '<span class="f1">red </span>.'],
    ['a color without a number as its end', ['ESC[32mgreenESC[m.'], '<span class="f2">green</span>.'],
    ['bold, bright and on a ground', ['ESC[1;92;41mx'], '<span class="bold f10 b1">x</span>'],
    [
      'what ends one thing only',
      ['ESC[1;4;31maESC[22mbESC[39mc'],
      '<span class="bold under f1">a</span><span class="under f1">b</span><span class="under">c</span>',
    ],
    [
      'colors that last over lines',
      ['ESC[33ma', 'b', 'ESC[0mc'],
      '<span class="f3">a</span>|<span class="f3">b</span>|c',
    ],
    [
      '256 colors, as the nearest',
      ['ESC[38;5;9maESC[38;5;196mbESC[48;5;21mc'],
      '<span class="f9">a</span><span class="f9">b</span><span class="f9 b12">c</span>',
    ],
    ['true colors, as the nearest', ['ESC[38;2;10;200;20ma'], '<span class="f10">a</span>'],
    ['markup as text', ['ESC[31m<b>ESC[0m&'], '<span class="f1">&lt;b&gt;</span>&amp;'],
    [
      'nothing of cursors, titles and links',
      ['ESC[2KESC]0;titleESC\\aESC]8;;https://x.y\u0007bESC]8;;\u0007ESC(Bc'],
      'abc',
    ],
    [
      'nothing of what is not ended',
      ['aESC[', 'bESC', 'ESC[38;5mc', 'ESC[999999999999999999md'],
      'a|b|<span class="f0">c</span>|<span class="f0">d</span>',
    ],
    ['no other control characters', ['a\u0000\u0008b\tc'], 'ab\tc'],
  ];
  for (const [what, lines, html] of table) {
    it(`shows ${what}`, () => assert.equal(read(...lines), html));
  }

  it('takes no longer than its length for lines that never end a sequence', () => {
    for (const part of ['\u001b]', '\u001b[3', '\u001b[;', '\u001b]8;;\u001b[']) {
      assert.ok(new AnsiReader().read(part.repeat(200_000)).length < 1_000_000);
    }
  });
});

describe('What to do about an error', () => {
  const markdown = `# Title
## Any task
| what you see | what it means |
|---|---|
| \`No connection to …\` | look at **DNS** |
| \`short\` | no |
| what nobody says | no |
## MyTask
| what you see | what it means |
|---|---|
| \`runs another notebook\`, \`The run … is not found\` | change the job |
`;
  it('is read from the tables of the documentation', () => {
    const read = readAdvices(markdown);
    const found = (message: string) => read.find(({ says }) => says.test(message));
    assert.equal(found('No connection to https://x.y: ECONNREFUSED')?.advice, 'look at **DNS**');
    assert.equal(found('It seems the job runs another notebook, /a')?.task, 'MyTask');
    assert.equal(found('the run 7 is not found.')?.advice, 'change the job');
    for (const message of ['what you see', 'short', 'what nobody says', 'something else'])
      assert.equal(found(message), undefined);
  });

  it('is known for messages of the tasks, each for its own', () => {
    const refused = 'No connection to https://x.azurecr.io: no such host.';
    assert.match(adviceOn(refused, 'AcrBuildPush@1.0.0')!, /^- .*firewall.*\n- .*misspelled/);
    const token = 'Databricks does not accept the token of input databricksToken.';
    assert.match(adviceOn(token, 'DatabricksRunJob@1.0.0')!, /revoked/);
    assert.equal(adviceOn(token, 'AcrBuildPush@1.0.0'), undefined);
    assert.equal(adviceOn("Bash exited with code '1'.", undefined), undefined);
  });
});

describe('The page of a run', () => {
  let agent: ToyAgent;
  before(() => {
    agent = new ToyAgent([jsTask, { ...jsTask, name: 'DatabricksRunJob' }]);
  });
  after(() => agent.remove());

  it('shows steps, results, issues, outputs and summaries, and nothing secret', async () => {
    const run = await agent.runSteps(
      `variables: [ { group: g } ]\nsteps:\n${jsStep(
        "const file = process.env.AGENT_TEMPDIRECTORY + '/Result.md'; require('fs').writeFileSync(file, '# Result\\n# All **good**'); console.log('##vso[task.uploadsummary]' + file); console.log('##vso[task.setvariable variable=version;isoutput=true]1.0.0')",
        { name: 'model', displayName: 'Get <model>' },
      )}${sayStep(['the token is $(token)', '##vso[task.logissue type=error]It broke', '##vso[task.complete result=Failed]'], { displayName: 'Break' })}${sayStep([], { displayName: 'Never' })}`,
      { variableGroups: { g: { token: { value: 'hunter2', isSecret: true } } } },
    );
    const html = renderPage([run], {
      title: 'A & B',
      facts: [['model', '<titanic>']],
      sections: [
        { title: 'More', rows: [['a'], ['<b>']] },
        { title: 'Raw', html: '<u>raw</u>' },
      ],
    });
    for (const part of [
      '<title>A &amp; B</title>',
      '<dd>&lt;titanic&gt;</dd>',
      '0 of 1 pipeline run succeeded',
      '<span class="badge Failed">Failed</span>',
      'Get &lt;model&gt;<span class="task">Js@1.0.0 · Node',
      '<code>$(model.version)</code></span></td><td><span class="copy"><code>1.0.0</code>',
      '<h3>Result</h3><small>Get &lt;model&gt;</small></summary>\n<div><h3>All <strong>good</strong></h3>',
      '<b class="hidden">error: </b>It broke',
      'the token is ***',
      'aria-label="Skipped"',
      '<th>a</th>',
      '<td>&lt;b&gt;</td>',
      '<u>raw</u>',
    ]) {
      assert.ok(html.includes(part), part);
    }
    assert.ok(!html.includes('hunter2'));
    assert.ok(
      !/<(script|link|img)\b[^>]*(src|href)="(?!data:,)|https?:\/\//.test(html),
      'nothing is fetched from elsewhere',
    );
    assert.equal(
      html.match(/<details id="[^"]*" class="step[^>]* open>/g)!.length,
      1,
      'only the step that failed is open',
    );
  });

  it('begins with what went wrong, and says why a job did not run', async () => {
    agent.write(
      'p.yaml',
      `stages:
- stage: build
  jobs:
  - job: a
    steps: [ { checkout: none }, { bash: 'echo "##vso[task.logissue type=error]<It> broke"; exit 1', displayName: Break } ]
  - job: b
    condition: gt(1, 'x')
- stage: ship
  jobs: [ { job: c } ]
`,
    );
    const html = renderPage([await agent.runPipeline('p.yaml')], { title: 'A', facts: [] });
    const [, id] = /<details id="([^"]+)" class="step" open>/.exec(html)!;
    const link = html.indexOf(`<a href="#${id}">Break</a>`);
    assert.ok(link > 0 && link < html.indexOf('<ol class="steps">'), 'the error is linked before the steps');
    const [, line] = /<span>&lt;It&gt; broke<\/span> <a href="#([^"]+)">line \d+<\/a>/.exec(html)!;
    assert.match(html, new RegExp(`class="l error" id="${line}"`), 'the error leads to its line');
    assert.match(html, /npm run agent -- p\.yaml --only [^<]+</, 'the step can be run again');
    assert.match(html, /build \/ b · Abandoned · Its condition cannot be computed: /);
    assert.match(html, /ship \/ c · Skipped · Its stage was left out/);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    assert.equal(new Set(ids).size, ids.length, 'every id is its own');
  });

  it('shows the chain from the notebook to the image, and stays small', async () => {
    const html = renderPage((await runExamples()).slice(0, 2), { title: 'A', facts: [] });
    const chain = /<ol class="chain">.*?<\/ol>/s.exec(html)![0];
    const kinds = [...chain.matchAll(/class="kind"[^>]*>(\w+)</g)].map((match) => match[1]);
    assert.deepEqual(kinds, ['Notebook', 'Run', 'Model', 'Image']);
    for (const part of [
      '<p>/live/scikit-titanic</p>',
      'href="https://adb-1.azuredatabricks.net/run/1517306255171367888"',
      '<dd>0.7913</dd>',
      '>0123456789ab…</code>',
      `data-copy="example.azurecr.io/titanic-model-api@sha256:${'0123456789abcdef'.repeat(4)}"`,
      '<dd>48.1 MB</dd>',
    ]) {
      assert.ok(chain.includes(part), part);
    }
    assert.ok(html.length < 150_000, `${html.length} characters`);
  });

  it('links to nothing but the web, whatever a run names', async () => {
    const code = `for (const name of ['runId', 'runUrl', 'resultState']) console.log('##vso[task.setvariable variable=' + name + ';isoutput=true]javascript:alert(1)')`;
    const run = await agent.runSteps(
      `${jsStep(code, { name: 'a' })}${jsStep(code, { name: 'b' })}`.replaceAll('Js@1', 'DatabricksRunJob@1'),
    );
    const html = renderPage([run], { title: 'A', facts: [] });
    assert.match(html, /<p>javascript:alert\(1\)<\/p>/);
    assert.doesNotMatch(html, /href="javascript/);
  });
});
