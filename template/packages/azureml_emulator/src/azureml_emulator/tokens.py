"""Tokens of the emulator's own services."""

# GitHub accepts it, and Key Vault stores it.
GITHUB_TOKEN = "local-github-token"  # noqa: S105
# A managed identity gets it, and Key Vault accepts it.
IDENTITY_TOKEN = "local-managed-identity"  # noqa: S105
