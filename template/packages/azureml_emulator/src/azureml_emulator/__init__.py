"""Azure's side of the wire, in this process: an Azure ML workspace and its storage, as their REST APIs show them.

The real `azure.ai.ml.MLClient`, `azure-storage-blob` and `azure-identity` talk to it through `requests`; no socket is
opened. It is as strict as Azure: what was never registered is not found, a version never changes, and refusals have
Azure's status, code and body.
"""
