import assert from 'node:assert/strict';
import { expandMacros } from '../../../../../local/agent/worker/context/macros';
import { SecretMasker } from '../../../../../local/agent/worker/context/masking';
import { Variables } from '../../../../../local/agent/worker/context/variables';

const known: Record<string, string> = { a: '1', b: '$(a)', 'with.dot': 'x', empty: '' };

describe('Macros', () => {
  const table: [text: string, expanded: string][] = [
    ['$(a)', '1'],
    ['<$(a)$(a)>', '<11>'],
    ['$(b)', '$(a)'],
    ['$(missing)', '$(missing)'],
    ['$(missing) $(a)', '$(missing) 1'],
    ['$($(a))', '$(1)'],
    ['$(a', '$(a'],
    ['$()', '$()'],
    ['$(empty)', ''],
    ['$(with.dot)', 'x'],
    ['$( a )', '$( a )'],
    ['echo $(date) $(a)', 'echo $(date) 1'],
  ];
  for (const [text, expanded] of table) {
    it(`${text} becomes '${expanded}'`, () =>
      assert.equal(
        expandMacros(text, (name) => known[name]),
        expanded,
      ));
  }
});

describe('Variables', () => {
  let masker: SecretMasker;
  let variables: Variables;
  beforeEach(() => {
    masker = new SecretMasker();
    variables = new Variables(masker);
  });

  it('are found whatever the case of their name', () => {
    variables.set('Build.BuildId', '7');
    assert.equal(variables.get('BUILD.buildid'), '7');
    assert.equal(variables.expand('$(build.BUILDID)'), '7');
  });

  it('are expanded in each other, however deep', () => {
    variables.set('a', '<$(b)>');
    variables.set('b', '$(c)$(c)');
    variables.set('c', 'x$(nope)');
    assert.deepEqual(variables.expandEachOther(), []);
    assert.equal(variables.get('a'), '<x$(nope)x$(nope)>');
  });

  it('become secret by using a secret one', () => {
    variables.set('token', 'hunter2', { secret: true });
    variables.set('header', 'Bearer $(token)');
    variables.expandEachOther();
    assert.ok(variables.all().find(({ name }) => name === 'header')!.secret);
    assert.equal(masker.mask('Bearer hunter2'), '***');
  });

  it('stay secret when they are set again', () => {
    variables.set('token', 'first', { secret: true });
    variables.set('TOKEN', 'second');
    assert.equal(masker.mask('second'), '***');
  });

  it('stay as they are, with a warning, when they go round in circles', () => {
    variables.set('a', '$(b)');
    variables.set('b', '$(a)');
    const warnings = variables.expandEachOther();
    assert.deepEqual(warnings, [
      "The variable 'a' cannot be expanded: in the end it is made of itself.",
      "The variable 'b' cannot be expanded: in the end it is made of itself.",
    ]);
    assert.equal(variables.get('a'), '$(b)');
  });

  it('stay as they are when the chain is longer than fifty', () => {
    for (let i = 0; i < 51; i++) variables.set(`v${i}`, `$(v${i + 1})`);
    variables.set('v51', 'end');
    const warnings = variables.expandEachOther();
    assert.deepEqual(
      warnings.map((warning) => warning.replace(/\d+/, 'N')),
      Array(2).fill("The variable 'vN' cannot be expanded: it goes through more than 50 others."),
    );
    assert.equal(variables.get('v2'), 'end');
  });

  it('include predefined ones that are read-only', () => {
    variables.set('mine', 'x', { readOnly: true });
    assert.ok(variables.isReadOnly('MINE'));
    assert.ok(variables.isReadOnly('Build.SourcesDirectory'));
    assert.ok(!variables.isReadOnly('other'));
  });
});
