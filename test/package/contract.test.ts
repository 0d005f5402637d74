import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { vsixFile } from '../../scripts/paths';

/** What pipelines out there rely on. Add to it; a change or removal needs a new major version of the task. */
const contract = {
  DatabricksRunJob: {
    id: '51c983cb-6309-496a-b3a4-1363bcd04038',
    inputs: {
      authType: 'pickList: token, databricksConnection, azureServiceConnection, servicePrincipal, federation',
      databricksConnection: 'connectedService:model-pipeline-databricks',
      databricksHost: 'pickList',
      databricksToken: 'string',
      'azureServiceConnection, azureSubscription': 'connectedService:AzureRM',
      clientId: 'string',
      clientSecret: 'string',
      notebookFile: 'filePath',
      notebookPath: 'string',
      job: 'pickList',
      jobDefinition: 'filePath',
      parameters: 'multiLine',
      whenBusy: 'pickList: queue, fail',
      waitForCompletion: 'boolean',
      timeoutMinutes: 'string',
      onCancel: 'pickList: cancelRun, leaveRunning',
      onRerun: 'pickList: takeOver, startAnew',
      isolate: 'boolean',
      onPartialSuccess: 'pickList: warn, fail, succeed',
      repairAttempts: 'string',
      metricsGate: 'multiLine',
      exportHtml: 'boolean',
    },
    outputs: [
      'runId',
      'runUrl',
      'jobId',
      'notebookSha256',
      'resultState',
      'notebookOutput',
      'notebookOutputFile',
      'notebookOutputTruncated',
      'errorMessage',
    ],
  },
  ModelRegistryDownload: {
    id: 'a2927c0f-783e-43d5-8396-1b5012ad0b45',
    inputs: {
      registryType: 'pickList: blob, unityCatalog',
      authType:
        'pickList: accountKey, sasToken, connectionString, azureServiceConnection, anonymous, token, databricksConnection, servicePrincipal, federation',
      storageAccount: 'pickList',
      storageKey: 'string',
      sasToken: 'string',
      connectionString: 'string',
      'azureServiceConnection, azureSubscription': 'connectedService:AzureRM',
      blobEndpoint: 'string',
      databricksConnection: 'connectedService:model-pipeline-databricks',
      databricksHost: 'string',
      databricksToken: 'string',
      clientId: 'string',
      clientSecret: 'string',
      modelName: 'pickList',
      modelVersion: 'string',
      includePrereleases: 'boolean',
      pathPrefix: 'string',
      patterns: 'multiLine',
      requiredFiles: 'multiLine',
      completeness: 'pickList: auto, requiredFiles, off',
      verify: 'pickList: stored, crc64',
      signature: 'pickList: verifyIfPresent, require, off',
      trustedKeys: 'multiLine',
      pickleScan: 'pickList: warn, fail, off',
      pickleAllow: 'multiLine',
      destinationFolder: 'filePath',
      fileNames: 'pickList: agent, portable',
      maxConcurrency: 'string',
    },
    outputs: [
      'modelVersion',
      'modelPath',
      'modelDigest',
      'manifestPath',
      'fileCount',
      'totalBytes',
      'downloadedBytes',
    ],
  },
  AcrBuildPush: {
    id: '2c76871b-a224-4f82-a48e-374bd3f156b1',
    inputs: {
      authType: 'pickList: adminPassword, azureServiceConnection, dockerRegistryConnection',
      'azureServiceConnection, azureSubscription': 'connectedService:AzureRM',
      dockerRegistryConnection: 'connectedService:dockerregistry',
      acrName: 'pickList',
      acrUsername: 'string',
      acrPassword: 'string',
      loginServer: 'string',
      repository: 'pickList',
      tags: 'multiLine',
      sourceImage: 'string',
      labels: 'multiLine',
      modelManifest: 'string',
      dockerfile: 'filePath',
      buildContext: 'string',
      buildArgs: 'multiLine',
      buildSecrets: 'multiLine',
      target: 'string',
      platform: 'string',
      cacheFrom: 'multiLine',
      cacheTo: 'multiLine',
      builder: 'pickList: auto, docker, acrTasks, direct',
      agentPool: 'string',
      buildTimeoutMinutes: 'string',
      compression: 'pickList: auto, gzip, none',
      dockerVersion: 'string',
      buildxVersion: 'string',
      dockerDownloadSource: 'string',
      dockerOptions: 'multiLine',
      push: 'boolean',
      ifTagExists: 'pickList: overwrite, skip, fail',
      lockTag: 'boolean',
      smokeTest: 'multiLine',
      attest: 'pickList: auto, off',
      sbom: 'pickList: auto, off',
      signingKey: 'string',
      signingConnection: 'connectedService:AzureRM',
      signingCertificates: 'filePath',
    },
    outputs: [
      'imageRef',
      'imageRefByDigest',
      'imageDigest',
      'imageTags',
      'imageSizeBytes',
      'uploadedBytes',
      'builder',
    ],
  },
};

interface TaskManifest {
  id: string;
  inputs: { name: string; type: string; aliases?: string[]; options?: Record<string, string> }[];
  outputVariables: { name: string }[];
}

describe('the contract of', () => {
  for (const [task, frozen] of Object.entries(contract)) {
    it(`${task} is as published`, () => {
      const entries = unzipSync(readFileSync(vsixFile));
      const manifest: TaskManifest = JSON.parse(Buffer.from(entries[`tasks/${task}/task.json`]!).toString());
      const inputs = manifest.inputs.map(({ name, type, aliases, options }) => [
        [name, ...(aliases ?? [])].join(', '),
        options ? `${type}: ${Object.keys(options).join(', ')}` : type,
      ]);
      assert.deepEqual(
        {
          id: manifest.id,
          inputs: Object.fromEntries(inputs),
          outputs: manifest.outputVariables.map(({ name }) => name),
        },
        frozen,
      );
    });
  }
});
