import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type LivePage, serveLivePage } from '../../../local/agent/live-page';
import { renderPage } from '../../../local/agent/page';
import { sayStep, ToyAgent } from './toy-extension';

describe('The page of a run that goes on', () => {
  let live: LivePage;
  let content: string;

  beforeEach(async () => {
    content = '<p>one\ntwo</p>';
    live = await serveLivePage(() => content);
  });
  afterEach(() => live.end());

  it('is served to this machine alone', async () => {
    assert.match(live.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.equal(await (await fetch(live.url)).text(), content);
    assert.equal((await fetch(`${live.url}other`)).status, 404);
    assert.equal((await fetch(live.url, { method: 'POST' })).status, 405);
    assert.equal(await statusFor(live.url, 'evil.example'), 403);
  });

  it('comes again with what has changed, a last time at the end, and is gone then', async () => {
    const response = await fetch(`${live.url}events`);
    assert.match(response.headers.get('content-type')!, /text\/event-stream/);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value: first } = await reader.read();
    assert.equal(first, `event: page\ndata: ${JSON.stringify(content)}\n\n`);
    content = 'the end';
    await live.end();
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
    assert.ok(rest.endsWith('event: page\ndata: "the end"\n\nevent: end\ndata:\n\n'), rest);
    await assert.rejects(fetch(live.url));
  });

  it('shows what runs as running, and may ask its own server only', async () => {
    const agent = new ToyAgent();
    try {
      const pages: string[] = [];
      let render = () => '';
      const run = await agent.runSteps(sayStep(['hello'], { displayName: 'Say' }), {
        onStart: (record) => {
          render = () => renderPage([record], { title: 'Live', facts: [], isLive: true });
        },
        onLine: (line) => {
          if (line === 'hello') pages.push(render());
        },
      });
      const [page = ''] = pages;
      assert.match(page, /class="badge Running">Running</);
      assert.match(page, /aria-label="Running"[\s\S]*?<span class="name">Say</);
      assert.match(page, /connect-src 'self'/);
      assert.match(page, /0 of 1 pipeline run succeeded, 1 still going on/);
      const after = renderPage([run], { title: 'After', facts: [] });
      assert.doesNotMatch(after, /Running"|connect-src/);
    } finally {
      agent.remove();
    }
  });
});

function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
