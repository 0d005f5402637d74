import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseChallenge } from '../../tasks/AcrBuildPush/registry/challenge';
import { splitTags } from '../../tasks/AcrBuildPush/tags';
import { parseJson, writeJson } from '../../tasks/common/databricks/json';
import { bound, defuse, stripControls } from '../../tasks/common/foreign-text';
import { InputReader } from '../../tasks/common/inputs';
import { createLogger } from '../../tasks/common/log';
import { readParameters } from '../../tasks/DatabricksRunJob/parameters';
import { compareVersions, readVersionName } from '../../tasks/ModelRegistryDownload/version/version-name';
import { RUNS_ALL, SEED } from '../support/seeded';
import { PIECES } from './slow/inputs';
import { PARSERS } from './slow/parsers';

const numRuns = RUNS_ALL ? 5_000 : 150;
const check = <T>(property: fc.IProperty<T> | fc.IAsyncProperty<T>) =>
  fc.assert(property as fc.IAsyncProperty<T>, { numRuns, seed: SEED });

/** Errors that a program makes, rather than finds in what it reads. */
const BUGS = [TypeError, RangeError, ReferenceError, URIError];

/** Those whose callers expect the JSON parser's own error. */
const THROWS_SYNTAX_ERRORS = /JSON|manifest/;

/** Texts of what means something to one parser or another. */
const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom(...PIECES),
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.json({ maxDepth: 3 }),
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));

describe(`whatever is read (seed ${SEED})`, function () {
  this.timeout(0);

  for (const [parser, parse] of Object.entries(PARSERS)) {
    it(`crashes nothing: ${parser}`, () =>
      check(
        fc.asyncProperty(texts, async (text) => {
          try {
            await parse(text);
          } catch (error) {
            const isBug =
              BUGS.some((bug) => error instanceof bug) ||
              (error instanceof SyntaxError && !THROWS_SYNTAX_ERRORS.test(parser));
            if (isBug) throw error;
          }
        }),
      ));
  }

  it('gives no command, and hides no direction of writing', () =>
    check(
      fc.property(texts, fc.nat(200), (text, most) => {
        const shown = defuse(bound(stripControls(text), most));
        assert.doesNotMatch(shown, /##vso|##\[|[\u202a-\u202e\u2066-\u2069\u001b]/i);
      }),
    ));

  it('comes back from JSON as it went, with all its digits', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, false),
        fc.string({ unit: 'binary' }),
        fc.integer(),
        fc.bigInt({ min: 10n ** 15n, max: 10n ** 25n }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          tie('value'),
          { maxKeys: 4, noNullPrototype: true },
        ),
      ),
    }));
    return check(fc.property(value, (one) => assert.deepEqual(parseJson(writeJson(one)), one)));
  });

  it('comes back from lines of KEY=VALUE as it went', () => {
    const key = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,10}$/);
    const word = fc.stringMatching(/^[A-Za-z0-9=#"'{}<>&%~][A-Za-z0-9=#"'{}<>&%~ ]{0,20}[A-Za-z0-9=]$/);
    return check(
      fc.property(fc.dictionary(key, word, { minKeys: 1, noNullPrototype: true }), (given) => {
        const text = Object.entries(given)
          .map((pair) => pair.join('='))
          .join('\n');
        const inputs = new InputReader(
          () => text,
          createLogger(() => undefined),
        );
        const read = readParameters(inputs);
        inputs.check();
        assert.deepEqual({ ...read }, given);
      }),
    );
  });

  it('comes back from a challenge as it went', () => {
    const value = fc.stringMatching(/^[ -~]{0,30}$/);
    return check(
      fc.property(value, value, (realm, service) => {
        const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
        assert.deepEqual(parseChallenge(`Bearer realm=${quote(realm)}, service=${quote(service)}`), {
          scheme: 'bearer',
          parameters: { realm, service },
        });
      }),
    );
  });

  it('is split into tags of which none is empty', () =>
    check(fc.property(texts, (text) => assert.ok(splitTags(text).every((tag) => tag.trim() !== '')))));

  it('stands in one order, whatever versions are called', () => {
    const version = fc.stringMatching(
      /^v?[0-9]{1,3}(\.[0-9]{1,12}){0,3}(-[a-z0-9.-]{1,8})?(\+[a-z0-9]{1,4})?$/,
    );
    return check(
      fc.property(version, version, version, (...names) => {
        const [a, b, c] = names.map((name) => readVersionName(name));
        if (!a || !b || !c) return;
        assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) + 0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
      }),
    );
  });
});
