"""Carries an event to the workflow: Event Grid, the Function, the Logic App and Key Vault."""
