import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf, stepOf, ToyAgent } from './toy-extension';

describe('Tasks that the local agent carries out itself', () => {
  const agent = new ToyAgent();
  after(() => agent.remove());
  before(() => {
    agent.write('scripts/say.sh', 'echo "$1 from $PWD"; echo "$OWN"; exit $2\n');
    agent.write('data/a.txt', 'a');
    agent.write('data/deep/b.txt', 'b');
    agent.write('data/deep/.hidden', 'h');
    agent.write('data/deep/c.log', 'c');
  });
  const task = (name: string, inputs: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    `- ${JSON.stringify({ task: name, inputs, ...more })}\n`;

  it('Bash@3 runs a file with arguments, or a text, and fails with it', async () => {
    const run = await agent.runSteps(
      `steps:\n${task('Bash@3', { filePath: 'scripts/say.sh', arguments: '"two words" 0' }, { name: 'file', env: { OWN: '$(x)' } })}${task('Bash@3', { targetType: 'inline', script: 'echo "##vso[task.setvariable variable=v]1"; pwd', workingDirectory: 'data' }, { name: 'text' })}${task('bash@3', { filePath: 'scripts/say.sh', arguments: '$(v) 4' }, { name: 'bad' })}`,
      {},
    );
    const root = stepOf(run, 'text')
      .log.find((line) => line.endsWith('/data'))!
      .replace(/\/data$/, '');
    assert.deepEqual(outputOf(stepOf(run, 'file')), [`two words from ${root}`, '$(x)']);
    assert.deepEqual(outputOf(stepOf(run, 'bad')), [
      `1 from ${root}`,
      '',
      "##[error]Bash exited with code '4'.",
    ]);
    assert.equal(stepOf(run, 'bad').result, 'Failed');
  });

  it('CmdLine@2 runs a script and can take its complaints for a failure', async () => {
    const run = await agent.runSteps(
      `steps:\n${task('CmdLine@2', { script: 'echo a >&2' }, { name: 'a' })}${task('CmdLine@2', { script: 'echo b >&2', failOnStderr: true }, { name: 'b' })}`,
    );
    assert.deepEqual([stepOf(run, 'a').result, stepOf(run, 'b').result], ['Succeeded', 'Failed']);
  });

  it('PowerShell@2 is refused where there is no PowerShell', async () => {
    await assert.rejects(
      agent.runSteps(`steps:\n${task('PowerShell@2', { targetType: 'inline', script: 'a' })}`, {
        environment: { PATH: '/nowhere' },
      }),
      /steps\.yaml:2: PowerShell@2 needs PowerShell/,
    );
  });

  const copies: [what: string, inputs: Record<string, unknown>, files: string[]][] = [
    ['everything', {}, ['a.txt', 'deep/.hidden', 'deep/b.txt', 'deep/c.log']],
    ['by patterns', { Contents: '**/*.txt\n**/*.log\n!deep/*.log' }, ['a.txt', 'deep/b.txt']],
    ['without folders', { Contents: 'deep/*.txt', flattenFolders: true }, ['b.txt']],
    ['what is on top', { Contents: '*' }, ['a.txt']],
  ];
  for (const [what, inputs, files] of copies) {
    it(`CopyFiles@2 copies ${what}`, async () => {
      const run = await agent.runSteps(
        `steps:\n${task('CopyFiles@2', { SourceFolder: 'data', TargetFolder: '$(Build.ArtifactStagingDirectory)/to', ...inputs })}- { bash: 'cd $(Build.ArtifactStagingDirectory)/to && find . -type f | sort', name: list }\n`,
      );
      assert.deepEqual(
        outputOf(stepOf(run, 'list')),
        files.map((file) => `./${file}`),
      );
    });
  }

  it('CopyFiles@2 fails for a folder that is not there', async () => {
    const run = await agent.runSteps(
      `steps:\n${task('CopyFiles@2', { SourceFolder: 'no', TargetFolder: 'b' }, { name: 'a' })}`,
    );
    assert.match(stepOf(run, 'a').issues[0]!.message, /Not found SourceFolder/);
  });

  it('publishes files with the run and brings them to later steps, whole or by patterns', async () => {
    const run = await agent.runSteps(
      `steps:\n${task('PublishPipelineArtifact@1', { targetPath: 'data', artifact: 'drop' }, { name: 'publish' })}${task('PublishPipelineArtifact@1', { targetPath: 'data', artifact: 'drop' }, { name: 'again', continueOnError: true })}${task('DownloadPipelineArtifact@2', { artifact: 'drop', path: '$(Pipeline.Workspace)/named', itemPattern: '**/*.txt' })}- { bash: 'cd $(Pipeline.Workspace) && find named -type f | sort', name: named }\n- download: current\n  artifact: drop\n- { bash: 'ls $(Pipeline.Workspace)/drop', name: shortcut }\n${task('DownloadPipelineArtifact@2', { artifact: 'nothing' }, { name: 'missing', continueOnError: true })}`,
    );
    assert.equal(run.result, 'SucceededWithIssues');
    assert.deepEqual(outputOf(stepOf(run, 'named')), ['named/a.txt', 'named/deep/b.txt']);
    assert.deepEqual(outputOf(stepOf(run, 'shortcut')), ['a.txt', 'deep']);
    assert.match(stepOf(run, 'again').issues[0]!.message, /drop already exists/);
    assert.match(stepOf(run, 'missing').issues[0]!.message, /nothing was not found/);
    const [artifact] = run.artifacts;
    assert.ok(existsSync(artifact!.path));
    assert.deepEqual(readdirSync(artifact!.path).sort(), ['a.txt', 'deep']);
    assert.equal(readFileSync(join(artifact!.path, 'a.txt'), 'utf8'), 'a');
  });

  it('AzureKeyVault@2 makes secrets of a file variables that are never shown, before other steps where asked', async () => {
    const vault = (filter: string, more = {}) =>
      task(
        'AzureKeyVault@2',
        { azureSubscription: 'x', KeyVaultName: 'safe', SecretsFilter: filter, ...more },
        { name: 'vault' },
      );
    const keyVaults = { safe: { one: 'hunter2', two: 'tiptop' } };
    const say =
      "- { bash: 'echo $(one) $(two) | tee seen', name: say }\n- { bash: 'wc -c < seen', name: count }\n";
    const all = await agent.runSteps(`steps:\n${vault('*')}${say}`, { keyVaults });
    assert.deepEqual(outputOf(stepOf(all, 'say')), ['*** ***']);
    assert.deepEqual(outputOf(stepOf(all, 'count')), ['15']);
    const early = await agent.runSteps(
      `steps:\n- { bash: 'true $(one)' }\n${vault('one', { RunAsPreJob: true })}`,
      { keyVaults },
    );
    assert.equal(early.jobs[0]!.steps[0]!.name, 'vault');
    const wrong = await agent.runSteps(`steps:\n${vault('three')}`, { keyVaults });
    assert.match(stepOf(wrong, 'vault').issues[0]!.message, /three: the key vault 'safe' has no such secret/);
    await assert.rejects(
      agent.runSteps(`steps:\n${vault('*')}`),
      /There is no key vault 'safe'.*--key-vaults/,
    );
  });
});
