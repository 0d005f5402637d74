import assert from 'node:assert/strict';

/**
 * The members of what Azure DevOps is sent, by the names in Microsoft's published specification of its REST API
 * (MicrosoftDocs/vsts-rest-api-specs, version 7.1). A member that stands nowhere here is a mistake of the sender.
 */
const SHAPES: Readonly<Record<string, readonly string[]>> = {
  ServiceEndpoint: [
    'administratorsGroup',
    'authorization',
    'createdBy',
    'data',
    'description',
    'groupScopeId',
    'id',
    'isReady',
    'isShared',
    'name',
    'operationStatus',
    'owner',
    'readersGroup',
    'serviceEndpointProjectReferences',
    'type',
    'url',
  ],
  'ServiceEndpoint.authorization': ['parameters', 'scheme'],
  'ServiceEndpoint.serviceEndpointProjectReferences': ['description', 'name', 'projectReference'],
  VariableGroupParameters: [
    'description',
    'name',
    'providerData',
    'type',
    'variableGroupProjectReferences',
    'variables',
  ],
  'VariableGroupParameters.variableGroupProjectReferences': ['description', 'name', 'projectReference'],
  'VariableGroupParameters.providerData': ['lastRefreshedOn', 'serviceEndpointId', 'vault'],
  Environment: ['description', 'name'],
  CheckConfiguration: [
    '_links',
    'createdBy',
    'createdOn',
    'id',
    'isDisabled',
    'issue',
    'modifiedBy',
    'modifiedOn',
    'resource',
    'settings',
    'timeout',
    'type',
    'url',
  ],
  'CheckConfiguration.settings': [
    'approvers',
    'blockedApprovers',
    'executionOrder',
    'instructions',
    'minRequiredApprovers',
    'requesterCannotBeApprover',
  ],
  'CheckConfiguration.resource': ['id', 'name', 'type'],
  ResourcePipelinePermissions: ['allPipelines', 'pipelines', 'resource'],
  'ResourcePipelinePermissions.pipelines': ['authorized', 'authorizedBy', 'authorizedOn', 'id'],
  BuildDefinition: [
    '_links',
    'authoredBy',
    'badgeEnabled',
    'buildNumberFormat',
    'comment',
    'createdDate',
    'demands',
    'description',
    'draftOf',
    'drafts',
    'dropLocation',
    'id',
    'jobAuthorizationScope',
    'jobCancelTimeoutInMinutes',
    'jobTimeoutInMinutes',
    'latestBuild',
    'latestCompletedBuild',
    'metrics',
    'name',
    'options',
    'path',
    'process',
    'processParameters',
    'project',
    'properties',
    'quality',
    'queue',
    'queueStatus',
    'repository',
    'retentionRules',
    'revision',
    'tags',
    'triggers',
    'type',
    'uri',
    'url',
    'variableGroups',
    'variables',
  ],
  // The specification's process has a type alone; the file name is what Microsoft's own command line sends with it.
  'BuildDefinition.process': ['type', 'yamlFilename'],
  'BuildDefinition.repository': [
    'checkoutSubmodules',
    'clean',
    'defaultBranch',
    'id',
    'name',
    'properties',
    'rootFolder',
    'type',
    'url',
  ],
  'BuildDefinition.queue': ['_links', 'id', 'name', 'pool', 'url'],
  RunPipelineParameters: [
    'previewRun',
    'resources',
    'stagesToSkip',
    'templateParameters',
    'variables',
    'yamlOverride',
  ],
};

// biome-ignore lint/suspicious/noExplicitAny: a body has just been held against its shape
export function checkBody(shape: string, body: unknown): any {
  check(shape, body);
  return body;
}

function check(shape: string, value: unknown): void {
  const known = SHAPES[shape];
  if (!known || value === null || value === undefined) return;
  if (Array.isArray(value)) {
    for (const element of value) check(shape, element);
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    assert.ok(known.includes(name), `${shape} has no member '${name}'`);
    check(`${shape}.${name}`, member);
  }
}
