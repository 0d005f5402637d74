import assert from 'node:assert/strict';
import { renderPage } from '../../../local/agent/page';
import { renderLog } from '../../../local/agent/view/log-view';
import { renderMarkdown } from '../../../local/agent/view/markdown';
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

  it('colors lines by their tags, as the viewer of Azure DevOps does', () => {
    const html = renderLog(['##[section]Starting', '##[error]<bad>', '##[command]ls', 'plain ##[error]']);
    assert.match(html, /class="line section"><i>1<\/i><span>Starting</);
    assert.match(html, /class="line error"><i>2<\/i><span>##\[error\]&lt;bad&gt;</);
    assert.match(html, /class="line command"><i>3<\/i><span>ls</);
    assert.match(html, /class="line"><i>4<\/i><span>plain ##\[error\]</);
  });

  it('folds groups, also those that are never closed', () => {
    const html = renderLog(['##[group]One', 'a', '##[endgroup]', 'b', '##[group]Two', 'c']);
    assert.equal(text(html), '|1|One|2|a|4|b|5|Two|6|c|');
    assert.equal(html.match(/<details/g)!.length, html.match(/<\/details>/g)!.length);
  });

  it('drops the codes with which programs color a terminal', () => {
    assert.equal(text(renderLog(['\u001b[31mred\u001b[0m'])), '|1|red|');
  });
});

describe('The page of a run', () => {
  let agent: ToyAgent;
  before(() => {
    agent = new ToyAgent([jsTask]);
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
      '$(model.version)</td><td class="value">1.0.0</td>',
      '<h3>Result<small>Get &lt;model&gt;</small></h3>\n<h3>All <strong>good</strong></h3>',
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
    assert.ok(!/<(script|link|img)\b|https?:\/\//.test(html), 'nothing is fetched from elsewhere');
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
    const link = html.indexOf(`<a href="#${id}">Break</a>: &lt;It&gt; broke`);
    assert.ok(link > 0 && link < html.indexOf('<ol class="steps">'), 'the error is linked before the steps');
    assert.match(html, /build \/ b · Abandoned · Its condition cannot be computed: /);
    assert.match(html, /ship \/ c · Skipped · Its stage was left out/);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    assert.equal(new Set(ids).size, ids.length, 'every id is its own');
  });
});
