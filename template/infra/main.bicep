// Creates a workspace with its resources, or uses an existing one; assigns roles and sets the budget. The bridge to
// GitHub is deployed afterwards, from bridge/, because Event Grid calls the bridge when a subscription is created.
targetScope = 'resourceGroup'

param location string

@description('create creates a workspace; existing uses the workspace of this name in this resource group.')
@allowed(['create', 'existing'])
param workspace string
param workspaceName string
param identityName string
param registryName string

@description('For the workspace, undelivered events and the function; not created if none of them exists.')
param storageName string
@description('Contains the token for GitHub and the secrets of a created workspace.')
param vaultName string

@allowed(['logic_app', 'function', 'scheduled'])
param trigger string

@allowed(['serverless', 'cluster'])
param computeTarget string
param clusterName string
param vmSize string
param maxNodes int

@description('The object ID of the identity with which workflows train and deploy. Empty for none.')
param githubPrincipalId string = ''

param monthlyBudget int
@description('A budget starts on the first day of a month; the start cannot be changed later.')
param budgetStart string
param contactEmails array

var createsWorkspace = workspace == 'create'
var needsStore = createsWorkspace || trigger != 'scheduled'

module storage 'modules/storage.bicep' = if (needsStore) {
  name: 'storage'
  params: {
    location: location
    name: storageName
  }
}

module vault 'modules/vault.bicep' = if (needsStore) {
  name: 'vault'
  params: {
    location: location
    name: vaultName
  }
}

module created 'modules/workspace.bicep' = if (createsWorkspace) {
  name: 'workspace'
  params: {
    location: location
    name: workspaceName
    identityName: identityName
    storageName: storageName
    vaultName: vaultName
    registryName: registryName
  }
  dependsOn: [
    storage
    vault
  ]
}

module cluster 'modules/cluster.bicep' = if (computeTarget == 'cluster') {
  name: 'cluster'
  params: {
    location: location
    workspaceName: workspaceName
    name: clusterName
    vmSize: vmSize
    maxNodes: maxNodes
    storageName: createsWorkspace ? storageName : ''
    registryName: createsWorkspace ? registryName : ''
  }
  dependsOn: [
    created
  ]
}

module access 'modules/access.bicep' = if (!empty(githubPrincipalId)) {
  name: 'access'
  params: {
    workspaceName: workspaceName
    storageName: createsWorkspace ? storageName : ''
    principalId: githubPrincipalId
    principalType: 'ServicePrincipal'
  }
  dependsOn: [
    created
  ]
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  params: {
    name: 'budget-${workspaceName}'
    amount: monthlyBudget
    startDate: budgetStart
    contactEmails: contactEmails
  }
}

output workspaceId string = resourceId('Microsoft.MachineLearningServices/workspaces', workspaceName)
