"""Emulates an Azure ML workspace and its storage in this process, behind their REST APIs.

The real `azure.ai.ml.MLClient`, `azure-storage-blob` and `azure-identity` talk to it through `requests`; no socket is
opened. It is as strict as Azure: an unregistered asset is not found, a version never changes, and refusals have Azure's
status, code and body.
"""
