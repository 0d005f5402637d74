import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getLanguageService, parse, TextDocument } from 'azure-pipelines-language-service';
import sinon from 'sinon';
import { root } from '../../../scripts/paths';
import { pipelineSchema } from '../../support/pipeline-schema';

interface Example {
  readonly where: string;
  readonly text: string;
}

/** Blocks of YAML that are no pipelines; the test named here reads them. */
const OTHERS: readonly [begins: RegExp, readBy: string][] = [
  [
    /^# --(variable-groups|key-vaults|service-connections)\n/,
    'the local agent, as files that stand in for a project’s settings',
  ],
  [/^(#.*\n)*apiVersion:/, 'Kubernetes'],
];

function yamlFiles(folder: string): Example[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.ya?ml$/.test(file))
    .map((file) => ({ where: join(folder, file), text: readFileSync(join(root, folder, file), 'utf8') }));
}

/** The YAML of a Markdown file; a bare list is one of steps. */
function blocksOf(file: string): Example[] {
  const markdown = readFileSync(join(root, file), 'utf8');
  return [...markdown.matchAll(/^( *)```ya?ml\n([\s\S]*?)^ *```/gm)].map((match) => {
    const text = match[2]!.replaceAll(new RegExp(`^${match[1]}`, 'gm'), '');
    const line = markdown.slice(0, match.index).split('\n').length;
    return { where: `${file}:${line}`, text: /^-/m.exec(text)?.index === 0 ? `steps:\n${text}` : text };
  });
}

const documents = [
  'README.md',
  'overview.md',
  ...readdirSync(join(root, 'docs')).map((file) => join('docs', file)),
];
const examples = [
  ...yamlFiles('pipelines'),
  ...documents.filter((file) => file.endsWith('.md')).flatMap(blocksOf),
];

const service = getLanguageService(async () => ({}), [], undefined as never);
service.configure({
  validate: true,
  schemas: [{ uri: 'memory:pipeline', fileMatch: ['*'], schema: pipelineSchema() }],
});

/** What Microsoft's language service for Azure Pipelines says of a text, as an editor shows it. */
async function complaintsOf(text: string): Promise<string[]> {
  // It prints what it looks up.
  const silence = sinon.stub(console, 'log');
  try {
    const document = TextDocument.create('file:///pipeline.yaml', 'azure-pipelines', 1, text);
    const complaints = await service.doValidation(document, parse(text));
    return complaints.map(
      ({ message, range }) => `${range.start.line + 1}: ${String(message).split('\n')[0]}`,
    );
  } finally {
    silence.restore();
  }
}

/** The text with a key misspelled, for every key that the schema knows. */
function misspelled(text: string): [key: string, text: string][] {
  const keys =
    /^( *(?:- )?)(trigger|pool|steps|jobs|stages|variables|group|task|inputs|template|displayName)(?=:)/gm;
  const planted = [...text.matchAll(keys)].map((match): [string, string] => {
    const end = match.index + match[0].length;
    return [match[2]!, `${text.slice(0, end)}x${text.slice(end)}`];
  });
  const input = /^ *inputs:\n +\w+/m.exec(text);
  if (!input) return planted;
  const end = input.index + input[0].length;
  return [...planted, ['an input', `${text.slice(0, end)}x${text.slice(end)}`]];
}

describe('Pipelines and examples, as the language service of Azure Pipelines sees them', () => {
  for (const { where, text } of examples) {
    const other = OTHERS.find(([begins]) => begins.test(text));
    if (other) continue;
    it(`${where} is as it should be`, async () => assert.deepEqual(await complaintsOf(text), []));

    it(`${where} is not when anything in it is misspelled`, async () => {
      const mistakes = misspelled(text);
      assert.ok(mistakes.length > 0, 'there is something to misspell');
      for (const [key, planted] of mistakes) assert.notDeepEqual(await complaintsOf(planted), [], key);
    });
  }

  it('finds a wrong option, a missing input and a task that does not exist', async () => {
    const step = (task: string, inputs: string) =>
      complaintsOf(`steps:\n- task: ${task}\n  inputs:\n${inputs}`);
    const download =
      '    storageAccount: a\n    storageKey: b\n    modelName: c\n    modelVersion: d\n    destinationFolder: e\n';
    assert.deepEqual(await step('ModelRegistryDownload@1', download), []);
    assert.notDeepEqual(await step('ModelRegistryDownload@1', `${download}    verify: maybe\n`), []);
    assert.notDeepEqual(await step('ModelRegistryDownload@1', download.replace(/ *modelName.*\n/, '')), []);
    assert.notDeepEqual(await step('ModelRegistryDownload@2', download), []);
  });
});
