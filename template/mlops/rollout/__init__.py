"""Rolls model versions out on the endpoints: the plan, its protocol, and each kind of endpoint."""
