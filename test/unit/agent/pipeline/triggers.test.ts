import assert from 'node:assert/strict';
import { readPipeline } from '../../../../local/agent/pipeline/pipeline';
import { startsOnPush } from '../../../../local/agent/pipeline/triggers';

function triggerOf(yaml: string) {
  return readPipeline({ file: 'p.yaml', readFile: () => `${yaml}\nsteps: [ { script: a } ]\n` }).trigger;
}

describe('Triggers', () => {
  const notebook =
    'trigger:\n  branches: { include: [ main, releases/* ] }\n  paths: { include: [ notebooks/a.py ] }';
  const table: [yaml: string, branch: string, files: string[], starts: boolean][] = [
    ['trigger: none', 'main', ['a'], false],
    ['', 'any/branch', ['a'], true],
    ['trigger: [ main ]', 'main', ['a'], true],
    ['trigger: [ main ]', 'dev', ['a'], false],
    [notebook, 'main', ['x', 'notebooks/a.py'], true],
    [notebook, 'main', ['notebooks/b.py'], false],
    [notebook, 'releases/1', ['notebooks/a.py'], true],
    [notebook, 'releases/1/x', ['notebooks/a.py'], true],
    [notebook, 'dev', ['notebooks/a.py'], false],
    ['trigger: { paths: { include: [ docs ], exclude: [ docs/old ] } }', 'main', ['docs/old/a.md'], false],
    ['trigger: { paths: { include: [ docs ], exclude: [ docs/old ] } }', 'main', ['docs/new/a.md'], true],
    ['trigger: { paths: { exclude: [ README.md ] } }', 'main', ['README.md'], false],
    ['trigger: { paths: { exclude: [ README.md ] } }', 'main', ['README.md', 'a'], true],
    ['trigger: { paths: { include: [ "**/*.py" ] } }', 'main', ['a/b/c.py'], true],
    ['trigger: { paths: { include: [ "a/*.py" ] } }', 'main', ['a/b/c.py'], false],
    ['trigger: { branches: { exclude: [ dev ] } }', 'main', ['a'], true],
    ['trigger: { batch: true, branches: [ main ] }', 'main', ['a'], true],
  ];
  for (const [yaml, branch, files, starts] of table) {
    it(`${JSON.stringify(yaml)} ${starts ? 'starts' : 'does not start'} on ${files} in ${branch}`, () => {
      assert.equal(startsOnPush(triggerOf(yaml), { branch, files }), starts);
    });
  }

  const mistakes: [yaml: string, message: RegExp][] = [
    ['trigger: main', /p\.yaml:1: 'trigger' must be none, a list of branches/],
    ['trigger: { branch: [ main ] }', /p\.yaml:1: 'branch' is not supported/],
    ['trigger: { batch: often }', /'batch' must be true or false/],
    ['pr: { paths: { inc: [ a ] } }', /'inc' is not supported/],
    ['schedules:\n- { cron: "0 0 * *" }', /p\.yaml:2: A schedule needs 'cron' with five fields/],
  ];
  for (const [yaml, message] of mistakes) {
    it(`refuse ${JSON.stringify(yaml)}`, () => assert.throws(() => triggerOf(yaml), message));
  }
});
