"""Tokens that the emulator's own services take, and no others."""

# What GitHub takes, and Key Vault keeps.
GITHUB_TOKEN = "local-github-token"  # noqa: S105
# What a managed identity gets, and Key Vault takes.
IDENTITY_TOKEN = "local-managed-identity"  # noqa: S105
