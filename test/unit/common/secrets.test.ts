import assert from 'node:assert/strict';
import { bound } from '../../../tasks/common/foreign-text';
import { createLogger } from '../../../tasks/common/log';
import { redact, rememberSecret } from '../../../tasks/common/secrets';
import { Summary } from '../../../tasks/common/summary';

/** Characters that some way of writing a text changes, and a line feed. */
const SECRET = `q~8Q+/=&<>"'\\ $!*()[]|ü€😀-${'x7'.repeat(6)}\nsecond~line&of"it`;

const html = (text: string, quote = '&quot;', apostrophe = '&#39;') =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', quote)
    .replaceAll("'", apostrophe);

/** How a text may come back from somewhere, each in its own spelling. */
const SPELLINGS: Record<string, (text: string) => string> = {
  'as it is': (text) => text,
  'with the line ends of Windows': (text) => text.replaceAll('\n', '\r\n'),
  'in a query': encodeURIComponent,
  'in a form': (text) => new URLSearchParams({ a: text }).toString(),
  'in a strict query': (text) =>
    encodeURIComponent(text).replace(
      /[!'()*~-]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
  'in a query in lower case': (text) =>
    encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  'in a query within a query': (text) => encodeURIComponent(encodeURIComponent(text)),
  'in JSON': JSON.stringify,
  'in JSON of Go': (text) =>
    JSON.stringify(text).replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
  'in JSON of ASCII': (text) =>
    JSON.stringify(text).replace(
      /[^ -~]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  'in HTML': html,
  'in HTML of Go': (text) => html(text, '&#34;'),
  'in HTML of Python': (text) => html(text, '&quot;', '&#x27;'),
  'in Base64': (text) => Buffer.from(text).toString('base64'),
  'in Base64 for addresses': (text) => Buffer.from(text).toString('base64url'),
  'in Base64 after one byte': (text) => Buffer.from(`u${text}:x`).toString('base64'),
  'in Base64 after two bytes': (text) => Buffer.from(`u:${text}`).toString('base64'),
  'with a user in Base64': (text) => Buffer.from(`user:${text}`).toString('base64'),
};

describe('a secret', () => {
  before(() => {
    rememberSecret(SECRET);
  });

  /** No eight characters of it in a row are left. */
  function assertGone(text: string, spelled: string): void {
    for (let at = 4; at + 12 < spelled.length - 4; at++) {
      const piece = spelled.slice(at, at + 12);
      assert.ok(!text.includes(piece), `'${piece}' is left in ${text}`);
    }
  }

  for (const [where, spell] of Object.entries(SPELLINGS)) {
    it(`is taken out ${where}`, () => {
      assertGone(redact(`before ${spell(SECRET)} after`), spell(SECRET));
      assert.match(redact(`before ${spell(SECRET)} after`), /^before .*\*\*\*.* after$/s);
    });
  }

  for (const [where, spell] of Object.entries(SPELLINGS)) {
    it(`leaves no beginning where a text is cut, ${where}`, () => {
      const spelled = spell(SECRET);
      for (let length = 1; length < spelled.length + 8; length++) {
        assertGone(bound(`before ${spelled}`, length), spelled);
      }
    });
  }

  it('is taken out of each line of a log, and of every part of a summary', () => {
    const lines: string[] = [];
    const log = createLogger((line) => lines.push(line));
    for (const text of [SECRET, `a ${SECRET}\n${SECRET}`]) {
      log.info(text);
      log.debug(text);
      log.warning(text);
      log.progress(1, text);
    }
    const summary = new Summary()
      .heading(SECRET)
      .paragraph(SECRET)
      .table([SECRET], [[SECRET]])
      .code(SECRET);
    summary.link(
      SECRET,
      `https://host.example/${encodeURIComponent(SECRET)}?a=${encodeURIComponent(SECRET)}`,
    );
    for (const part of SECRET.split('\n')) assertGone(`${lines.join('\n')}${summary}`, part);
  });

  it('is told to the agent in each form that is a line', () => {
    const lines: string[] = [];
    createLogger((line) => lines.push(line)).maskSecret('p~ss<word>', 'robot');
    const told = lines.map((line) => line.slice('##vso[task.setsecret]'.length).replaceAll('%AZP25', '%'));
    for (const form of [
      'p~ss<word>',
      'p~ss%3Cword%3E',
      'p%7Ess%3Cword%3E',
      'p~ss\\u003cword\\u003e',
      'p~ss&lt;word&gt;',
    ]) {
      assert.ok(told.includes(form), `${form} of ${told.join(' ')}`);
    }
  });

  it('costs no time that grows faster than the text', () => {
    const text = 'q~8Q+/=&<>'.repeat(100_000);
    assert.equal(redact(text), text);
  });

  it('is not half of a character where a text is cut', () => {
    assert.equal(bound('😀😀', 3), '😀… (2 more characters)');
    assert.equal(bound('😀😀', 2), '😀… (2 more characters)');
  });
});
