"""What has to exist on Azure and on GitHub around the workspace: identities, infrastructure, and their removal."""
