"""Resource Manager's half of Azure ML: the resources below a workspace, a module for each kind."""
