"""Emulates the Azure ML part of Resource Manager: the resources below a workspace, one module for each kind."""
