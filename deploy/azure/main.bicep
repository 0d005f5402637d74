// All that the example needs in Azure, in one resource group. main.json is the same for those who have no Bicep;
// test/unit/deploy holds the two against each other. docs/set-up.md tells how it is used, what it costs, and how it is
// removed.
//
// It is deployed twice: the issuer and the subject of the federated credential are known only when Azure DevOps has made
// the service connection, which in turn needs the client id of the identity made here.

@description('Beginning of the names of all resources.')
@minLength(3)
@maxLength(10)
param name string = 'models'

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Models, each a container of the model registry.')
param models array = [
  'titanic'
  'batcomputer'
]

@description('Where the API is served. Kubernetes: your own cluster, which this template does not make.')
@allowed([
  'containerApp'
  'containerInstance'
  'kubernetes'
])
param place string = 'containerApp'

@description('Account keys, the registry\'s admin user and a Key Vault, for pipelines that sign in with keys. Off: nobody needs a secret.')
param useKeys bool = false

@description('With useKeys: a personal access token of Databricks, stored in the Key Vault. May be added there later.')
@secure()
param databricksToken string = ''

@description('Issuer of the service connection\'s tokens, as Azure DevOps has answered it. Empty in the first pass.')
param federationIssuer string = ''

@description('Subject of the service connection\'s tokens, as Azure DevOps has answered it. Empty in the first pass.')
param federationSubject string = ''

@description('Standard and Premium have more storage and throughput. Container instances that pull by identity may need Premium.')
@allowed([
  'Basic'
  'Standard'
  'Premium'
])
param registrySku string = 'Basic'

@description('Keeps the logs of container apps in a Log Analytics workspace, which costs by the gigabyte.')
param keepLogs bool = false

var suffix = uniqueString(resourceGroup().id)
var storageName = '${name}${suffix}'
var registryName = '${name}${suffix}'
var vaultName = '${name}-${suffix}'
var workspaceName = '${name}-databricks'
var blobReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
var acrPush = '8311e382-0749-4cb8-b61a-304f252e45ec'
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var containerAppsContributor = '358470bc-b998-42bd-ab17-a7e34c199c0f'
var containerInstancesContributor = '5d977122-f97e-4b4d-a52f-6b43003ddb4d'
var identityOperator = 'f1a07417-d97a-45cb-824c-7a7467783830'

// The identity of the pipelines, for which the service connection stands.
resource pipelines 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-pipelines'
  location: location
}

resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = if (!empty(federationIssuer)) {
  parent: pipelines
  name: 'azure-devops'
  properties: {
    issuer: federationIssuer
    subject: federationSubject
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

// The identity with which the API's image is pulled. It can do nothing else.
resource serving 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-serving'
  location: location
}

// The model registry.
resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: storageName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: useKeys
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: storage
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for model in models: {
  parent: blobs
  name: model
  properties: {
    publicAccess: 'None'
  }
}]

// A version of a model that is stored again leaves the old blobs behind; they go after three months.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: storage
  name: 'default'
  dependsOn: [
    blobs
  ]
  properties: {
    policy: {
      rules: [
        {
          name: 'remove-replaced-blobs'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
            }
            actions: {
              version: {
                delete: {
                  daysAfterCreationGreaterThan: 90
                }
              }
            }
          }
        }
      ]
    }
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: registryName
  location: location
  sku: {
    name: registrySku
  }
  properties: {
    adminUserEnabled: useKeys
    // Container apps sign in to the registry with a token of Azure's resource manager.
    policies: {
      azureADAuthenticationAsArmPolicy: {
        status: 'enabled'
      }
    }
  }
}

resource databricks 'Microsoft.Databricks/workspaces@2024-05-01' = {
  name: workspaceName
  location: location
  sku: {
    name: 'premium'
  }
  properties: {
    managedResourceGroupId: subscriptionResourceId('Microsoft.Resources/resourceGroups', '${resourceGroup().name}-databricks')
    parameters: {
      enableNoPublicIp: {
        value: true
      }
    }
  }
}

// The identity with which notebooks store models: a service credential of Unity Catalog stands for it.
resource notebooks 'Microsoft.Databricks/accessConnectors@2024-05-01' = {
  name: '${name}-notebooks'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-07-01' = if (keepLogs) {
  name: '${name}-logs'
  location: location
  properties: {
    retentionInDays: 30
    sku: {
      name: 'PerGB2018'
    }
  }
}

// The apps in it are made by the pipelines, which know their images.
resource environment 'Microsoft.App/managedEnvironments@2025-07-01' = if (place == 'containerApp') {
  name: '${name}-environment'
  location: location
  properties: {
    appLogsConfiguration: keepLogs ? {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    } : {
      destination: 'none'
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = if (useKeys) {
  name: vaultName
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource storageKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (useKeys) {
  parent: vault
  name: 'storage-key'
  properties: {
    value: storage.listKeys().keys[0].value
  }
}

resource acrPassword 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (useKeys) {
  parent: vault
  name: 'acr-password'
  properties: {
    value: registry.listCredentials().passwords[0].value
  }
}

resource token 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (useKeys && !empty(databricksToken)) {
  parent: vault
  name: 'databricks-token'
  properties: {
    value: databricksToken
  }
}

// ModelRegistryDownload reads a model's container, and no other.
resource mayDownload 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (model, index) in models: {
  scope: containers[index]
  name: guid(resourceGroup().id, storageName, model, blobReader, 'pipelines')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobReader)
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}]

// Notebooks store a model in its container.
resource mayStore 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (model, index) in models: {
  scope: containers[index]
  name: guid(resourceGroup().id, storageName, model, blobContributor, 'notebooks')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: notebooks.identity.principalId
    principalType: 'ServicePrincipal'
  }
}]

// AcrBuildPush.
resource mayPush 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(resourceGroup().id, registryName, acrPush, 'pipelines')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPush)
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource mayPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(resourceGroup().id, registryName, acrPull, 'serving')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: serving.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// The deployment makes and changes container apps, or container instances, of this group.
resource mayDeploy 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (place != 'kubernetes') {
  name: guid(resourceGroup().id, place, 'pipelines')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', place == 'containerApp' ? containerAppsContributor : containerInstancesContributor)
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// It lets them pull with the serving identity.
resource mayAssign 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (place != 'kubernetes') {
  scope: serving
  name: guid(resourceGroup().id, identityOperator, 'pipelines')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', identityOperator)
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// The variable group that is linked to the vault reads it through the service connection.
resource mayReadSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (useKeys) {
  scope: vault
  name: guid(resourceGroup().id, vaultName, secretsUser, 'pipelines')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output storageAccount string = storageName
output acrName string = registryName
output acrLoginServer string = registry.properties.loginServer
output databricksHost string = 'https://${databricks.properties.workspaceUrl}'
output databricksWorkspaceId string = databricks.id
output accessConnectorId string = notebooks.id
output pipelinesClientId string = pipelines.properties.clientId
output servingIdentityId string = serving.id
output environmentName string = place == 'containerApp' ? '${name}-environment' : ''
output vaultName string = useKeys ? vaultName : ''
