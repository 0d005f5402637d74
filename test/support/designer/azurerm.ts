import type { EndpointType } from './data-source';

const ARM = '{{{endpoint.url}}}subscriptions/{{{endpoint.subscriptionId}}}/providers';

/**
 * What Azure DevOps itself has for connections to Azure, as its answer about the types of connections shows it
 * (MicrosoftDocs/vsts-rest-api-specs, ListEndpointTypes.json). The service adds the token of Azure Resource Manager by
 * itself; the stand-in for it here is the connection's `token`.
 */
export const AZURE_TYPE: EndpointType = {
  name: 'azurerm',
  authenticationSchemes: [
    {
      type: 'ms.vss-endpoint.endpoint-auth-scheme-workload-identity-federation',
      headers: [{ name: 'Authorization', value: 'Bearer {{endpoint.token}}' }],
    },
    {
      type: 'ms.vss-endpoint.endpoint-auth-scheme-basic',
      headers: [{ name: 'Authorization', value: 'Bearer {{endpoint.token}}' }],
    },
  ],
  dataSources: [
    {
      name: 'AzureRMContainerRegistries',
      endpointUrl: `${ARM}/Microsoft.ContainerRegistry/registries?api-version=2017-10-01`,
      resultSelector: 'jsonpath:$.value[*]',
    },
    {
      name: 'AzureContainerRegistryRepositories',
      endpointUrl: 'https://{{{registryurl}}}/v2/_catalog',
      resultSelector: 'jsonpath:$.repositories[*]',
      // The application's id and secret are a user and password of the registry.
      headers: [
        {
          name: 'Authorization',
          value: 'Basic {{ #base64 endpoint.serviceprincipalid ":" endpoint.serviceprincipalkey }}',
        },
      ],
    },
    {
      name: 'AzureStorageAccountRM',
      endpointUrl: `${ARM}/Microsoft.Storage/storageAccounts?api-version=2015-06-15`,
      resultSelector: 'jsonpath:$.value[*].name',
    },
    {
      name: 'AzureStorageContainer',
      endpointUrl: 'https://{{storageAccount}}.blob.{{endpoint.StorageEndpointSuffix}}/?comp=list',
      resultSelector: 'xpath:EnumerationResults/Containers/Container/Name',
    },
  ],
};
