import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { answerOf, type Refused } from '../support/buildkit-answers';
import { type Kind, MAKERS, type Question } from '../support/buildkit-questions';
import { Choices } from '../support/random';
import { skip } from '../support/skip';

/*
 * What BuildKit's own packages make of a Dockerfile's lines and words, ignore files, patterns, permissions, images and
 * platforms, and what this step makes of them: of BuildKit's own examples, and of many more by chance. `QUESTIONS` says how
 * many of each kind, `FIRST_SEED` where to begin.
 */

const COUNT = Number(process.env.QUESTIONS ?? 20_000);
const FIRST = Number(process.env.FIRST_SEED ?? 1);

/** So many differences are shown. */
const MOST_SHOWN = 20;

describe('BuildKit and this step', function () {
  this.timeout(0);
  const judge = process.env.BUILDKIT_JUDGE!;

  before(function () {
    if (!judge) skip(this, 'no judge: run test/buildkit/run');
  });

  async function ask(questions: readonly Question[]): Promise<unknown[]> {
    const child = spawn(judge, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(''));
    const answers = (await text(child.stdout)).trimEnd().split('\n');
    assert.equal(answers.length, questions.length);
    return answers.map((answer) => JSON.parse(answer));
  }

  async function compare(questions: readonly Question[]): Promise<void> {
    const theirs = await ask(questions);
    const tally = { alike: 0, refused: 0, left: 0 };
    const differences: string[] = [];
    for (const [index, question] of questions.entries()) {
      const [their, our] = [theirs[index], answerOf(question)];
      if ((our as Refused)?.isLeft) tally.left++;
      else if (isRefused(our) && isRefused(their)) tally.refused++;
      else if (isSame(our, their)) tally.alike++;
      else
        differences.push(
          `${JSON.stringify(question.text)}\n  BuildKit: ${JSON.stringify(their)}\n  here:     ${JSON.stringify(our)}`,
        );
    }
    console.log(
      `      ${tally.alike} alike, ${tally.refused} refused by both, ${tally.left} left to an engine`,
    );
    assert.equal(
      differences.length,
      0,
      `${differences.length} of ${questions.length} differ:\n${differences.slice(0, MOST_SHOWN).join('\n')}`,
    );
    assert.ok(tally.alike > questions.length / 10, `only ${tally.alike} could be compared`);
  }

  for (const kind of Object.keys(MAKERS) as Kind[]) {
    it(`read every ${kind} alike: ${COUNT} from seed ${FIRST} on`, () =>
      compare(Array.from({ length: COUNT }, (_, index) => MAKERS[kind](new Choices(FIRST + index)))));
  }

  it("read BuildKit's own Dockerfiles alike", () => {
    const folder = join(dirname(judge), 'examples');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /Dockerfile$/.test(name),
    );
    return compare(
      files.map((name) => ({ kind: 'dockerfile', text: readFileSync(join(folder, name), 'utf8') })),
    );
  });

  it("read BuildKit's own words alike", () => {
    const folder = join(dirname(judge), 'examples');
    const rows = (name: string) => readFileSync(join(folder, name), 'utf8').split('\n');
    const env: Record<string, string> = { PWD: '/home', SHELL: 'bash', KOREAN: '한국어', NULL: '' };
    const questions: Question[] = [];
    const add = (row: string) => {
      if (/^#|^\s*$/.test(row) || !row.includes('|')) return;
      questions.push({
        kind: 'word',
        text: row.slice(0, row.lastIndexOf('|')).trimEnd(),
        escape: '\\',
        env: { ...env },
        plain: false,
      });
    };
    for (const row of rows('envVarTest')) add(row.replace(/^[AUW]\|/, ''));
    for (const row of rows('wordsTest')) {
      const [, name, value] = /^ENV ([^=]*)=(.*)$/.exec(row) ?? [];
      if (name !== undefined) env[name] = value!;
      else add(row);
    }
    return compare(questions);
  });
});

function isRefused(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}

function isSame(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}
