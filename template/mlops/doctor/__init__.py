"""Looks for what stands in the way on Azure: by reading, and by a small job that looks around inside."""
