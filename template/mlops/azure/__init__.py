"""Creates and removes the Azure and GitHub resources around the workspace: identities and infrastructure."""
