// Sends this project's events from the workspace to the bridge. event-filters.json selects the events. An event that
// GitHub did not accept within a day is stored as a blob under dead-letters.
param location string
param workspaceName string
param storageName string

@description('The bridge as an Event Grid destination; the address of a Logic App contains its key.')
@secure()
param destination object

var filters = loadJsonContent('event-filters.json')
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var retryPolicy = {
  maxDeliveryAttempts: 30
  eventTimeToLiveInMinutes: 1440
}
var deadLetterWithResourceIdentity = {
  identity: {
    type: 'SystemAssigned'
  }
  deadLetterDestination: {
    endpointType: 'StorageBlob'
    properties: {
      resourceId: storage.id
      blobContainerName: 'dead-letters'
    }
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-${workspaceName}'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: workspace.id
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

// Event Grid checks its permission to write dead letters when a subscription is created.
resource deadLetterRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, topic.id, storageBlobDataContributor)
  scope: storage
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource modelRegistered 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'model-registered'
  properties: {
    destination: destination
    eventDeliverySchema: 'EventGridSchema'
    filter: filters.modelRegistered
    retryPolicy: retryPolicy
    deadLetterWithResourceIdentity: deadLetterWithResourceIdentity
  }
  dependsOn: [
    deadLetterRole
  ]
}

resource driftDetected 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'drift-detected'
  properties: {
    destination: destination
    eventDeliverySchema: 'EventGridSchema'
    filter: filters.driftDetected
    retryPolicy: retryPolicy
    deadLetterWithResourceIdentity: deadLetterWithResourceIdentity
  }
  dependsOn: [
    deadLetterRole
  ]
}
