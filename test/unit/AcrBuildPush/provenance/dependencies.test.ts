import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Model, readModel } from '../../../../tasks/AcrBuildPush/model';
import { imageDependencies } from '../../../../tasks/AcrBuildPush/provenance/image-dependencies';
import { modelDependencies } from '../../../../tasks/AcrBuildPush/provenance/model-dependencies';
import { leastPlan } from '../support';
import { DATA, METADATA, NOTEBOOK, Story, writeModel } from './story';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];

describe('what an image is made of', () => {
  it('is the image below it and those of other stages, by digest where that is known', () => {
    const recipe = [
      'ARG BASE=python:3.12-slim',
      `FROM node:22@sha256:${A} AS pages`,
      'FROM $BASE',
      'COPY --from=pages / /',
      'COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /bin/',
    ].join('\n');
    const base = { name: 'docker.io/library/python:3.12-slim', digest: `sha256:${B}` };
    assert.deepEqual(imageDependencies({ ...leastPlan, recipe, base }), [
      {
        name: 'base-image',
        uri: `pkg:oci/python@sha256%3A${B}?repository_url=docker.io/library/python&tag=3.12-slim`,
        digest: { sha256: B },
        annotations: { name: 'docker.io/library/python:3.12-slim' },
      },
      {
        name: 'image',
        uri: `pkg:oci/node@sha256%3A${A}?repository_url=docker.io/library/node&tag=22`,
        digest: { sha256: A },
        annotations: { name: 'docker.io/library/node:22' },
      },
      {
        name: 'image',
        uri: 'pkg:oci/uv?repository_url=ghcr.io/astral-sh/uv&tag=0.9',
        annotations: { name: 'ghcr.io/astral-sh/uv:0.9' },
      },
    ]);
    assert.deepEqual(imageDependencies(leastPlan), []);
  });

  it('is the model with each of its files, its training, the notebook and the data', async () => {
    const story = await Story.start();
    try {
      const found = modelDependencies(readModel(writeModel(story)));
      const [model, ...others] = JSON.parse(JSON.stringify(found));
      assert.equal(model.uri, 'https://models.blob.core.windows.net/titanic/1.0.0/');
      assert.match(model.digest.sha256, /^[0-9a-f]{64}$/);
      assert.equal(model.annotations.trainingRun, METADATA.runId);
      assert.deepEqual(others, [
        { name: 'model/metadata.json', digest: { sha256: sha256(JSON.stringify(METADATA)) } },
        { name: 'model/model.pkl', digest: { sha256: sha256('model 1.0.0') } },
        {
          name: 'training',
          uri: 'https://adb-1.2.azuredatabricks.net/jobs/77/runs/855018371842731',
          digest: { sha256: sha256(JSON.stringify(METADATA)) },
          annotations: {
            run: METADATA.runId,
            trainedAt: METADATA.trainedAt,
            commit: METADATA.gitCommit,
            parameters: METADATA.parameters,
            metrics: METADATA.metrics,
          },
        },
        { name: 'notebook', digest: { sha256: NOTEBOOK }, annotations: { path: METADATA.notebook.path } },
        { name: 'training-data', digest: { sha256: DATA }, annotations: { path: METADATA.data.path } },
      ]);
    } finally {
      await story.stop();
    }
  });

  const least: Model = { name: 'titanic', version: '3', digest: `sha256:${A}` };

  for (const [place, source, uri] of [
    [
      'Unity Catalog',
      { registryType: 'unityCatalog', host: 'adb-1.net', model: 'main.ml.titanic', versionId: 'x' },
      'pkg:mlflow/main.ml.titanic@3?repository_url=https%3A%2F%2Fadb-1.net',
    ],
    [
      'a volume',
      { registryType: 'volume', host: 'adb-1.net', path: '/Volumes/main/ml/models/titanic/3/' },
      'dbfs:/Volumes/main/ml/models/titanic/3/',
    ],
    [
      'an address of its own',
      { account: 'a', container: 't', prefix: '3/', endpoint: '127.0.0.1:10000' },
      undefined,
    ],
    ['nowhere known', undefined, undefined],
  ] as const) {
    it(`is a model from ${place}`, () => {
      const [model] = modelDependencies({ ...least, ...(source && { source }) });
      assert.equal(model!.uri, uri);
      assert.deepEqual(model!.annotations!.source, source);
    });
  }

  it('cites the digest that a signature of the model covers', () => {
    const [model] = modelDependencies({ ...least, signedDigest: `sha256:${B}` });
    assert.equal(model!.annotations!.signedDigest, `sha256:${B}`);
  });

  it('is a notebook by the digest of the file that was imported, too', () => {
    const notebook = (content: object) => {
      const metadata = { content: content as Record<string, unknown>, sha256: B };
      const found = modelDependencies({ ...least, metadata }).find(({ name }) => name === 'notebook');
      return JSON.parse(JSON.stringify(found));
    };
    const parameters = { notebook_sha256: A };
    assert.deepEqual(notebook({ parameters, notebook: { path: '/p', sha256: B } }), {
      name: 'notebook',
      digest: { sha256: B },
      annotations: { path: '/p', fileSha256: A },
    });
    assert.deepEqual(notebook({ parameters }).digest, { sha256: A });
  });

  it('is a run whose address came without a protocol, as Databricks names workspaces', () => {
    const content = { runUrl: 'adb-1.2.azuredatabricks.net/jobs/1/runs/2' };
    const [, training] = modelDependencies({ ...least, metadata: { content, sha256: B } });
    assert.equal(training!.uri, 'https://adb-1.2.azuredatabricks.net/jobs/1/runs/2');
  });

  it('is a model whose manifest holds anything at all', () => {
    let deep: object = {};
    for (let level = 0; level < 50_000; level++) deep = { deep };
    const source = { account: 'a', container: '\ud800', prefix: '\ud800', endpoint: 'a.blob', deep };
    const [model] = modelDependencies({ ...least, version: '\ud800', source });
    assert.equal(model!.uri, undefined);
    assert.deepEqual(Object.keys(model!.annotations!.source as object), [
      ...['account', 'container', 'prefix', 'endpoint'],
    ]);
  });

  it('takes nothing from metadata that is not as it should be', () => {
    const content = {
      runUrl: 'javascript:alert(1)',
      notebook: { sha256: 'short' },
      data: [{ name: 'by name alone' }, 7, { sha256: 'no' }],
      parameters: ['a'],
      metrics: { nested: { a: 1 }, list: [1] },
      trainedAt: 7,
      gitCommit: null,
    };
    const [, training, ...others] = modelDependencies({ ...least, metadata: { content, sha256: B } });
    assert.deepEqual(JSON.parse(JSON.stringify(training)), {
      name: 'training',
      digest: { sha256: B },
      annotations: {},
    });
    assert.deepEqual(others, []);
  });
});
