import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { readModel } from '../../../../tasks/AcrBuildPush/model';
import { forgetSecrets, rememberSecret } from '../../../../tasks/common/secrets';
import { withoutReferrers } from '../../../support/registry-without-referrers';
import { COMMIT, Story, VARIABLES, writeModel } from './story';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe("an image's provenance", () => {
  let story: Story;
  beforeEach(async () => {
    story = await Story.start();
  });
  afterEach(() => story.stop());

  /** The statement that is attached to the image of the last run, where there is one. */
  async function attached() {
    const [one, ...others] = await story.referrers();
    assert.deepEqual(others, []);
    assert.equal(one!.artifactType, 'application/vnd.in-toto+json');
    assert.equal(one!.annotations!['in-toto.io/predicate-type'], 'https://slsa.dev/provenance/v1');
    return story.statement(one!.digest);
  }

  it('says what it was built from, by whom and when', async () => {
    const recipe = 'FROM scratch AS tools\nFROM scratch AS api\nARG GREETING\nCOPY Dockerfile /\n';
    story.write('Dockerfile', recipe);
    const begun = Date.now();
    await story.run({
      target: 'api',
      buildArgs: { GREETING: 'hello' },
      labels: { team: 'sea' },
      platforms: ['linux/arm64'],
      model: { name: 'titanic', version: '1.0.0', digest: `sha256:${'d'.repeat(64)}` },
    });
    const statement = await attached();
    const { predicate, ...head } = statement;
    const { loginServer } = story.registry;
    assert.deepEqual(head, {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [
        {
          name: `${loginServer}/titanic`,
          digest: { sha256: String(story.outputs.imageDigest).replace('sha256:', '') },
        },
      ],
      predicateType: 'https://slsa.dev/provenance/v1',
    });
    const { buildDefinition, runDetails } = predicate;
    assert.deepEqual(buildDefinition.externalParameters, {
      dockerfile: 'Dockerfile',
      buildContext: '.',
      target: 'api',
      platform: ['linux/arm64'],
      buildArgs: { GREETING: 'hello' },
      labels: { team: 'sea' },
      version: '1.0.0',
    });
    const named = (name: string) =>
      buildDefinition.resolvedDependencies.find((one: { name: string }) => one.name === name);
    assert.deepEqual(named('source'), {
      name: 'source',
      uri: 'git+https://dev.azure.com/contoso/Model%20Factory/_git/titanic@refs/heads/main',
      digest: { gitCommit: COMMIT },
    });
    assert.deepEqual(named('dockerfile').digest, { sha256: sha256(recipe) });
    assert.deepEqual(named('model').digest, { sha256: 'd'.repeat(64) });
    const { organization, project, pipeline, buildId, jobAttempt, agent } =
      buildDefinition.internalParameters;
    assert.deepEqual(
      { organization, project, pipeline, buildId, jobAttempt, agent },
      {
        organization: 'https://dev.azure.com/contoso/',
        project: 'Model Factory',
        pipeline: 'titanic',
        buildId: '4711',
        jobAttempt: '2',
        agent: 'Azure Pipelines 3',
      },
    );
    assert.match(runDetails.builder.id, /^https:.*#microsoft-hosted$/);
    assert.deepEqual(runDetails.builder.version, { AcrBuildPush: '1.2.3', agent: '4.248.0' });
    assert.equal(
      runDetails.metadata.invocationId,
      'https://dev.azure.com/contoso/Model%20Factory/_build/results?buildId=4711&view=logs&j=0a1b',
    );
    const [startedOn, finishedOn] = [runDetails.metadata.startedOn, runDetails.metadata.finishedOn].map(
      Date.parse,
    );
    assert.ok(begun - 1000 <= startedOn! && startedOn! <= finishedOn! && finishedOn! <= Date.now());
  });

  it('leaves out what is not known', async () => {
    await story.run({ version: '', tags: [] }, {});
    const { predicate } = await attached();
    const { buildDefinition, runDetails } = predicate;
    assert.deepEqual(buildDefinition.externalParameters, { dockerfile: 'Dockerfile', buildContext: '.' });
    assert.deepEqual(Object.keys(buildDefinition.internalParameters), ['builder', 'builderDescription']);
    assert.deepEqual(
      buildDefinition.resolvedDependencies.map(({ name }: { name: string }) => name),
      ['dockerfile'],
    );
    assert.doesNotMatch(runDetails.builder.id, /hosted/);
    assert.deepEqual(Object.keys(runDetails.metadata), ['startedOn', 'finishedOn']);
  });

  it('is not added again by a run that changes nothing, and is by one that does', async () => {
    await story.run();
    const first = await story.referrers();
    await story.run(
      {},
      { ...VARIABLES, 'Build.BuildId': '4712', 'System.JobAttempt': '1', 'Agent.Name': 'Azure Pipelines 8' },
    );
    assert.deepEqual(await story.referrers(), first);
    assert.ok(story.lines.some((line) => line.includes(`has its provenance already: ${first[0]!.digest}`)));
    const [digest] = [story.outputs.imageDigest];
    await story.run({ labels: {} }, { ...VARIABLES, 'Build.SourceBranch': 'refs/heads/release' });
    assert.equal(story.outputs.imageDigest, digest);
    assert.equal((await story.referrers()).length, 2);
  });

  it('is listed under a tag in a registry that keeps no list, and is not added there again either', async () => {
    story.intercept = withoutReferrers;
    await story.run();
    const tag = `manifests/${String(story.outputs.imageDigest).replace(':', '-')}`;
    const [one] = await story.referrers(tag);
    assert.equal(one!.artifactType, 'application/vnd.in-toto+json');
    assert.equal((await story.statement(one!.digest)).predicateType, 'https://slsa.dev/provenance/v1');
    await story.run({}, { ...VARIABLES, 'Build.BuildId': '4712' });
    assert.equal((await story.referrers(tag)).length, 1);
  });

  it('names secrets by their ids, and holds none of their values', async () => {
    rememberSecret('hunter-22');
    try {
      await story.run(
        { buildArgs: { GREETING: 'hello hunter-22', digest: 'hunter-22' }, labels: { note: 'hunter-22' } },
        {
          ...VARIABLES,
          'Build.DefinitionName': 'p hunter-22',
          'Build.Repository.Uri': 'https://user:hunter-22@host/r',
        },
      );
      const text = JSON.stringify(await attached());
      assert.ok(!text.includes('hunter-22'), text);
      assert.ok(text.includes('"GREETING":"hello ***"'));
      assert.ok(text.includes('git+https://host/r@refs/heads/main'));
    } finally {
      forgetSecrets();
    }
  });

  it('comes before the tags', async () => {
    const puts: string[] = [];
    story.intercept = ({ method, url }) => {
      if (method === 'PUT' && url?.includes('/manifests/')) puts.push(url.split('/').at(-1)!);
      return false;
    };
    await story.run();
    const [one] = await story.referrers();
    assert.deepEqual(puts, [story.outputs.imageDigest, one!.digest, '1.0.0']);
  });

  it('is left out where nobody wants it', async () => {
    await story.run({ attest: 'off' });
    assert.ok(!story.registry.requests.some(({ path }) => path.includes('referrers')));
    assert.deepEqual(await story.referrers(), []);
  });

  for (const [name, status, isIt] of [
    ['refuses its manifest', 400, ({ method, url }) => method === 'PUT' && !/manifests\/1\.0\.0/.test(url!)],
    ['refuses its blobs', 403, ({ method, url }) => method === 'POST' && url!.includes('uploads')],
    ['fails to list', 500, ({ url }) => url!.includes('/referrers/')],
  ] as const satisfies [string, number, (request: IncomingMessage) => boolean][]) {
    it(`is a warning where a registry ${name}, and the image is published`, async () => {
      let isPublished = false;
      story.intercept = (request, response) => {
        // The image itself is taken.
        if (request.method === 'HEAD' && /manifests\/sha256/.test(request.url!)) isPublished = true;
        if (!isPublished || !isIt(request)) return false;
        response
          .writeHead(status, { 'Content-Type': 'application/json' })
          .end('{"errors":[{"code":"MANIFEST_INVALID"}]}');
        return true;
      };
      const outcome = await story.run();
      assert.equal(outcome.result, 'Succeeded');
      assert.ok(
        story.lines.some((line) =>
          /##vso\[task\.logissue type=warning.*did not take the provenance/.test(line),
        ),
        story.lines.join('\n'),
      );
      assert.equal(story.outputs.imageRef, `${story.registry.loginServer}/titanic:1.0.0`);
      assert.equal((await story.ask('manifests/1.0.0')).status, 200);
    });
  }

  describe('names the commit of the checkout that the Dockerfile lies in', () => {
    const git = (...args: string[]) =>
      execFileSync('git', args, {
        cwd: join(story.folder, 'sources'),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    beforeEach(() => {
      git('init', '-q', '-b', 'trunk');
      git('add', '-A');
      git('-c', 'user.name=x', '-c', 'user.email=x@x', 'commit', '-qm', 'first');
    });
    const source = async () => {
      const { predicate } = await attached();
      return predicate.buildDefinition.resolvedDependencies.find(
        (one: { name: string }) => one.name === 'source',
      );
    };

    it('which is another than that of the run', async () => {
      git('remote', 'add', 'origin', 'https://user:token@example.com/other');
      await story.run();
      assert.deepEqual(await source(), {
        name: 'source',
        uri: 'git+https://example.com/other',
        digest: { gitCommit: git('rev-parse', 'HEAD') },
      });
    });

    it('which is that of the run, packed or not', async () => {
      git('pack-refs', '--all');
      const commit = git('rev-parse', 'HEAD');
      await story.run({}, { ...VARIABLES, 'Build.SourceVersion': commit });
      assert.deepEqual(await source(), {
        name: 'source',
        uri: 'git+https://dev.azure.com/contoso/Model%20Factory/_git/titanic@refs/heads/main',
        digest: { gitCommit: commit },
      });
    });

    it('also in a worktree', async () => {
      const worktree = join(story.folder, 'worktree');
      git('worktree', 'add', '-q', worktree, '-b', 'other');
      await story.run({ dockerfile: join(worktree, 'Dockerfile'), buildContext: worktree });
      assert.deepEqual((await source()).digest, { gitCommit: git('rev-parse', 'HEAD') });
    });
  });

  const dependencies = async () => {
    const { predicate } = await attached();
    return predicate.buildDefinition.resolvedDependencies as {
      name: string;
      annotations: Record<string, unknown>;
    }[];
  };

  it('names a model whose files are as they were downloaded', async () => {
    await story.run({ model: readModel(writeModel(story)) });
    const model = (await dependencies()).find(({ name }) => name === 'model');
    assert.equal(model!.annotations.checkedBy, 'sha256');
  });

  for (const [what, words, change] of [
    ['other bytes', /has other bytes in 'model\.pkl'/, () => story.write('model/model.pkl', 'model 6.6.6')],
    ['another size', /has 'model\.pkl' with another size/, () => story.write('model/model.pkl', 'm')],
    ['nothing', /lacks 'model\.pkl'/, () => rmSync(join(story.folder, 'sources/model/model.pkl'))],
  ] as const) {
    it(`does not name a model that has ${what} in a file's place since it was downloaded`, async () => {
      const model = readModel(writeModel(story));
      change();
      const outcome = await story.run({ model });
      assert.equal(outcome.result, 'Succeeded');
      assert.ok(
        story.lines.some((line) => line.includes('type=warning') && words.test(line)),
        story.lines.join('\n'),
      );
      assert.ok(!(await dependencies()).some(({ name }) => /^(model|training|notebook)/.test(name)));
    });
  }

  it('names a model that lies somewhere else, without having looked at its files', async () => {
    const model = readModel(writeModel(story));
    rmSync(join(story.folder, 'sources/model'), { recursive: true });
    await story.run({ model });
    const stated = (await dependencies()).find(({ name }) => name === 'model');
    assert.ok(stated && !('checkedBy' in stated.annotations));
  });

  it('does without a model whose files can have no such names', async () => {
    const model = readModel(writeModel(story));
    const file = { path: 'a\0b', size: 1, sha256: 'a'.repeat(64) };
    const outcome = await story.run({ model: { ...model, files: [...model.files!, file] } });
    assert.equal(outcome.result, 'Succeeded');
    assert.ok(!(await dependencies()).some(({ name }) => name === 'model'));
  });

  it('does not look for a file of a model outside of its folder', async () => {
    const model = readModel(writeModel(story));
    const file = { path: '../Dockerfile', size: 1, sha256: 'a'.repeat(64) };
    await story.run({ model: { ...model, files: [file] } });
    assert.ok(story.lines.some((line) => line.includes('outside of its folder')));
  });

  it('says nothing of a commit that is none of git', async () => {
    await story.run({}, { ...VARIABLES, 'Build.SourceVersion': '1234' });
    const { predicate } = await attached();
    assert.ok(!JSON.stringify(predicate).includes('gitCommit'));
  });
});
