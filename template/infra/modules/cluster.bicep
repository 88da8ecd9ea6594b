// The training cluster. It scales to zero, so it costs nothing when idle. resources/compute describes the same
// cluster for `az ml compute create`.
param location string
param workspaceName string
param name string
param vmSize string
param maxNodes int
param storageName string
param registryName string

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: workspace
  name: name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    computeType: 'AmlCompute'
    properties: {
      vmSize: vmSize
      vmPriority: 'Dedicated'
      remoteLoginPortPublicAccess: 'Disabled'
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: maxNodes
        nodeIdleTimeBeforeScaleDown: 'PT5M'
      }
    }
  }
}

module access 'access.bicep' = {
  name: 'cluster-access'
  params: {
    workspaceName: workspaceName
    storageName: storageName
    registryName: registryName
    principalId: cluster.identity.principalId
    principalType: 'ServicePrincipal'
  }
}
