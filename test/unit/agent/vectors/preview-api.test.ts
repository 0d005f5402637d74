// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPipelineText } from '../../../../local/agent/pipeline/pipeline';
import { root } from '../../../../scripts/paths';

/** A pipeline that was sent to the real preview API, and whether that took it. */
interface Recording {
  readonly id: string;
  readonly yaml: string;
  readonly azure: string;
}

const RECORDINGS = join(root, '..', 'shared', 'vectors', 'agent', 'preview-api.json');

/** What is known not to be the same, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'E03-insert/job-mapping/README.md': "a job's continueOnError is refused here",
  'oracle-spike/unknown-task.md': 'which tasks there are is looked at when a run starts',
};

const declaring = (type: string, preset?: string, more = '') =>
  `parameters:\n- name: p\n  type: ${type}\n${preset === undefined ? '' : `  default: ${preset}\n`}${more}`;
const SHOWING = 'steps:\n- script: echo\n  env:\n    OUT: ${{ convertToJson(parameters.p) }}\n';

/** Templates with the shape of those that lay beside the recorded pipelines, by what they declare. */
const DECLARATIONS: Readonly<Record<string, string>> = {
  'bind-boolean': declaring('boolean', 'false'),
  'bind-dumpall': declaring('string', 'a'),
  'bind-legacyobject': declaring('legacyObject', '{}'),
  'bind-none': '',
  'bind-number': declaring('number', '2'),
  'bind-object': declaring('object', '{}'),
  'bind-required': declaring('string'),
  'bind-step': declaring('step', '{ script: a }'),
  'bind-steplist': declaring('stepList', '[]'),
  'bind-string': declaring('string', 'a'),
  'bind-stringlist': declaring('stringList', '[ a ]', '  values: [ a, b ]\n'),
  'bind-values': declaring('string', 'alpha', '  values: [ alpha, beta ]\n'),
  'bind-values-nodefault': declaring('string', undefined, '  values: [ alpha, beta ]\n'),
  'types-container': declaring('container', '{ image: a }'),
  'types-containerlist': declaring('containerList', '[]'),
  'types-documented': declaring('stageList', '[]'),
  'types-environment': declaring('environment', 'a'),
  'types-filepath': declaring('filePath', 'a'),
  'types-legacyobject': declaring('legacyObject', '{}'),
  'types-pool': declaring('pool', '{}'),
  'types-securefile': declaring('secureFile', 'a'),
  'types-serviceconnection': declaring('serviceConnection', 'a'),
  'types-stringlist': declaring('stringList', '[ a ]'),
  'types-unknown': declaring('nosuch', 'a'),
};
const LEAF = 'steps:\n- script: echo leaf\n';
const using = (path: string) => `steps:\n- template: ${path}\n`;
const FILES: Readonly<Record<string, string>> = {
  'corpus/_probe/steps.yml': LEAF,
  'corpus/_probe/nested-a.yml': using('steps.yml'),
  'e03-refs/leaf.yml': LEAF,
  'e03-refs/we@ird.yml': LEAF,
  'e03-refs/outer.yml': using('leaf.yml'),
  'e03-refs/self-alias.yml': using('/e03-refs/leaf.yml@self'),
  'e03-refs/self-cycle.yml': using('self-cycle.yml'),
  'e03-refs/cycle-a.yml': using('cycle-b.yml'),
  'e03-refs/cycle-b.yml': using('cycle-a.yml'),
  'e03-refs/escape.yml': using('../../../outside.yml'),
  'e03-refs/dir/cross-rel.yml': using('cross/leaf.yml@templates'),
  'e03-refs/dir/deep-abs.yml': using('/e03-refs/leaf.yml'),
  'e03-refs/dir/deep-parent.yml': using('../leaf.yml'),
  'e03-refs/dir/self-rel.yml': using('../leaf.yml@self'),
};
const OTHER_REPOSITORY: Readonly<Record<string, string>> = {
  'cross/leaf.yml': LEAF,
  'cross/abs.yml': using('/cross/leaf.yml'),
  'cross/outer.yml': using('leaf.yml'),
  'cross/back-to-self.yml': using('/e03-refs/leaf.yml@self'),
  'cross/rel-self.yml': using('../e03-refs/leaf.yml@self'),
};

function readFile(file: string, repository: string): string | undefined {
  if (repository) return OTHER_REPOSITORY[file];
  const declared = DECLARATIONS[/^e03-params\/(.+)\.yml$/.exec(file)?.[1] ?? ''];
  if (declared === undefined) return FILES[file];
  return declared + (declared === '' ? LEAF : SHOWING);
}

/** @returns why a pipeline is refused; undefined when it is taken */
function refusalOf(yaml: string): string | undefined {
  const knownVariables = { 'Build.Reason': 'Manual', 'Build.SourceBranch': 'refs/heads/main' };
  try {
    const source = { file: 'azure-pipelines.yml', readFile, knownVariables, repositories: ['templates'] };
    readPipelineText(yaml, source);
    return undefined;
  } catch (error) {
    if ((error as Error).name !== 'PipelineError') throw error;
    return (error as Error).message;
  }
}

describe('A pipeline is taken or refused as the real preview API has done', () => {
  if (!existsSync(RECORDINGS)) {
    it('(the recorded answers are not beside this checkout)');
    return;
  }
  const recordings: Recording[] = JSON.parse(readFileSync(RECORDINGS, 'utf8'));
  for (const { id, yaml, azure } of recordings) {
    const reason = DIFFERENT[id];
    it(reason ? `${id}, but ${reason}` : id, () => {
      const refusal = refusalOf(yaml);
      const isSame = (refusal === undefined) === (azure === 'accepts');
      assert.equal(isSame, reason === undefined, refusal ?? 'taken here');
    });
  }
});
