import assert from 'node:assert/strict';
import { proxyRules } from '../../../tasks/common/proxy';

const AGENT = { url: 'http://proxy.example:8080', bypass: [] };
const SERVICE = 'https://models.blob.core.windows.net/titanic';

describe('the proxy for an address', () => {
  it('is the agent’s, whatever the environment names', () => {
    const rules = proxyRules(AGENT, { HTTPS_PROXY: 'http://other.example:3128', NO_PROXY: '*' });
    assert.equal(rules(SERVICE)?.url.href, 'http://proxy.example:8080/');
    assert.equal(rules(SERVICE)?.login, undefined);
  });

  it('is none for what the agent’s list of exceptions matches, patterns that are none passed over', () => {
    const rules = proxyRules({ ...AGENT, bypass: ['(', 'BLOB\\.core'] }, {});
    assert.equal(rules(SERVICE), undefined);
    assert.ok(rules('https://login.microsoftonline.com/'));
  });

  it('is none for the machine’s own metadata service', () => {
    assert.equal(proxyRules(AGENT, {})('http://169.254.169.254/metadata'), undefined);
    assert.equal(proxyRules(undefined, { HTTP_PROXY: 'p:1' })('http://169.254.169.254/metadata'), undefined);
  });

  it('is the one of the environment where the agent has none', () => {
    for (const name of ['HTTPS_PROXY', 'https_proxy']) {
      assert.equal(proxyRules(undefined, { [name]: 'http://p.example:3128' })(SERVICE)?.url.port, '3128');
    }
    assert.equal(proxyRules(undefined, { HTTP_PROXY: 'http://p.example:3128' })(SERVICE), undefined);
    assert.equal(proxyRules(undefined, { HTTPS_PROXY: '' })(SERVICE), undefined);
    assert.equal(proxyRules(undefined, {})(SERVICE), undefined);
  });

  for (const [list, url, exempt] of [
    ['blob.core.windows.net', SERVICE, true],
    ['.core.windows.net', SERVICE, true],
    ['*.core.windows.net', SERVICE, true],
    ['example.com, models.blob.core.windows.net', SERVICE, true],
    ['MODELS.blob.core.windows.net:443', SERVICE, true],
    ['models.blob.core.windows.net:8443', SERVICE, false],
    ['core.windows', SERVICE, false],
    ['odels.blob.core.windows.net', SERVICE, false],
    ['*', SERVICE, true],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.1.2.3', 'https://10.1.2.3:8443/', true],
    ['fd00::/8', 'https://[fd12::1]/', true],
    ['fd12::1', 'https://[fd12::1]/', true],
    ['10.0.0.0/99 ( [ / :', SERVICE, false],
    ['', 'https://localhost:5001/', true],
    ['', 'https://127.0.0.1:5001/', true],
    ['', 'https://[::1]:5001/', true],
  ] as const) {
    it(`is ${exempt ? 'none' : 'kept'} for ${url} with NO_PROXY '${list}'`, () => {
      const rules = proxyRules(undefined, { HTTPS_PROXY: 'http://p.example:3128', NO_PROXY: list });
      assert.equal(rules(url) === undefined, exempt);
    });
  }

  const PASSWORDS = ['p#ss', 'p/ss', 'p"ss', 'p@ss', 'p:ss', 'p?ss', 'p%ss', 'pä€😀', 'p ss', '#/?:@"%zz'];
  for (const password of PASSWORDS) {
    it(`has the password '${password}' as it is, from the agent and from the environment`, () => {
      const expected = { username: 'rob@t', password };
      assert.deepEqual(proxyRules({ ...AGENT, ...expected }, {})(SERVICE)?.login, expected);
      const encoded = `http://${encodeURIComponent('rob@t')}:${encodeURIComponent(password)}@p.example:1`;
      assert.deepEqual(proxyRules(undefined, { HTTPS_PROXY: encoded })(SERVICE)?.login, expected);
      const raw = proxyRules(undefined, { HTTPS_PROXY: `http://robot:${password}@p.example:1/` })(SERVICE);
      assert.deepEqual(raw?.login, { username: 'robot', password });
      assert.equal(raw?.url.href, 'http://p.example:1/');
    });
  }

  for (const url of [
    'socks5://p.example:1',
    'http://',
    'http://user:pass-word@',
    'http://p.example:99999',
    ':::',
  ]) {
    it(`is refused in plain words where it can't be used: ${url}`, () => {
      for (const make of [
        () => proxyRules({ url, bypass: [] }, {}),
        () => proxyRules(undefined, { HTTPS_PROXY: url }),
      ]) {
        assert.throws(make, (error: Error) => {
          assert.match(error.message, /^The step can't use the (agent's proxy|proxy in HTTPS_PROXY): /);
          assert.doesNotMatch(error.message, /pass-word/);
          return error.name === 'TaskError';
        });
      }
    });
  }
});
