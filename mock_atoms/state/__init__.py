"""Changes of tenants: the store, the audience repository, and export and import of the complete state.

State that replicas must share belongs behind the store protocol.
"""
