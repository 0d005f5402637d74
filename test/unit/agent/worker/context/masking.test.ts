// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a secret may have any characters.
import assert from 'node:assert/strict';
import { SecretMasker } from '../../../../../local/agent/worker/context/masking';

function masking(...secrets: string[]): (text: string) => string {
  const masker = new SecretMasker();
  for (const secret of secrets) masker.add(secret);
  return (text) => masker.mask(text);
}

describe('Masking', () => {
  const table: [secrets: string[], text: string, masked: string][] = [
    [['def'], 'abcdefg', 'abc***g'],
    [['def'], 'abcdefgdef', 'abc***g***'],
    [['abc'], 'abcabcdef', '***def'],
    [['abc', 'bcd'], 'xabcdx', 'x***x'],
    [['aba'], 'xababax', 'x***x'],
    [['ab', 'cd'], 'abcd ab cd', '*** *** ***'],
    [['abcd'], 'abcdefg', '***efg'],
    [['1'], '123', '***23'],
    [['Secret'], 'secret SECRET', 'secret SECRET'],
    [['a\nb'], 'a', 'a'],
    [['.*+?^${}()|[]\\/-'], 'abc .*+?^${}()|[]\\/- abc', 'abc *** abc'],
    [['(', 'a.c'], 'abc a.c f(x)', 'abc *** f***x)'],
    [['🔑-key'], 'the 🔑-key', 'the ***'],
    [['long-beginning-1', 'long-beginning-22'], 'long-beginning-2 long-beginning-22', 'long-beginning-2 ***'],
    [[''], 'text', 'text'],
  ];
  for (const [secrets, text, masked] of table) {
    it(`of ${JSON.stringify(secrets)} turns ${text} into ${masked}`, () => {
      assert.equal(masking(...secrets)(text), masked);
    });
  }

  const encodings: [name: string, secret: string, shown: string][] = [
    ['JSON', 'line\r\n\t\\ "q"', 'line\\r\\n\\t\\\\ \\"q\\"'],
    ['URL', "hello world!'()*", 'hello%20world%21%27%28%29%2A'],
    ['backslash', 'abc\\\\def\\\'\\"ghi\\t', 'abc\\def\'"ghi\t'],
  ];
  for (const [name, secret, shown] of encodings) {
    it(`finds a secret behind ${name} encoding`, () => {
      assert.equal(masking(secret)(`<${shown}> <${secret}>`), '<***> <***>');
    });
  }

  const urls: [text: string, masked: string][] = [
    ['https://simpledomain@example.com', 'https://simpledomain@example.com'],
    ['https://url.com:443/~user?what=many@&param=value', 'https://url.com:443/~user?what=many@&param=value'],
    ['https://user:pass@example.com', 'https://user:***@example.com'],
    ["https://user:p4';.!&*()=,$-+~@example.com", 'https://user:***@example.com'],
    ['git clone https://me%10%A3:pa%20ss:x@host/repo.', 'git clone https://me%10%A3:***@host/repo.'],
  ];
  for (const [text, masked] of urls) {
    it(`shows ${text} as ${masked}`, () => assert.equal(masking()(text), masked));
  }

  it('hides a secret variable in the forms in which it may turn up', () => {
    const masker = new SecretMasker();
    masker.addVariable(' 100% sure\n');
    const base64 = Buffer.from(' 100% sure\n').toString('base64');
    const forms = [
      '100% sure',
      '100%AZP25 sure%0A',
      ' 100% sure%0A',
      ' 100%AZP25 sure%0A',
      ' 100% sure\\n',
      base64,
    ];
    assert.deepEqual(
      forms.map((form) => masker.mask(`<${form}>`)),
      forms.map(() => '<***>'),
    );
  });

  it('hides a quoted variable without its quotes, as a shell passes it on', () => {
    const masker = new SecretMasker();
    masker.addVariable("'quoted'");
    assert.equal(masker.mask('quoted'), '***');
  });

  it('leaves blank secret variables and other encodings alone', () => {
    const masker = new SecretMasker();
    masker.addVariable('  ');
    masker.addVariable('top secret');
    const shifted = Buffer.from('user:top secret').toString('base64');
    assert.equal(masker.mask(`a  b ${shifted}`), `a  b ${shifted}`);
  });

  const lengths: [minimum: number, secret: string, masked: string][] = [
    [6, '123456', '***7'],
    [6, '12345', '1234567'],
    [99, '123456', '***7'],
    [0, '1', '***234567'],
  ];
  for (const [minimum, secret, masked] of lengths) {
    it(`with a minimum length of ${minimum} shows 1234567 as ${masked} when ${secret} is secret`, () => {
      const masker = new SecretMasker();
      masker.add(secret);
      masker.minimumLength = minimum;
      masker.add(secret);
      assert.equal(masker.mask('1234567'), masked);
    });
  }
});
