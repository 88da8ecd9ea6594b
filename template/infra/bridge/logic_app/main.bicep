// The bridge as a Logic App: Event Grid calls it, and it calls GitHub. Its address is its only key.
param location string
param workspaceName string
param storageName string
param vaultName string
param name string

@description('The GitHub repository, owner/name.')
param repository string

var tokenSecret = 'github-dispatch-token'
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource bridge 'Microsoft.Logic/workflows@2019-05-01' = {
  name: name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    state: 'Enabled'
    definition: loadJsonContent('workflow.json')
    parameters: {
      repository: {
        value: repository
      }
      tokenUri: {
        value: '${vault.properties.vaultUri}secrets/${tokenSecret}?api-version=7.4'
      }
    }
  }
}

resource vaultRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, bridge.id, keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: bridge.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

module events '../events.bicep' = {
  name: 'events'
  params: {
    location: location
    workspaceName: workspaceName
    storageName: storageName
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: listCallbackUrl('${bridge.id}/triggers/event', '2019-05-01').value
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
  }
}
