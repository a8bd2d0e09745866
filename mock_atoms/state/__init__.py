"""What tenants changed: the store, the audience repository, and snapshots of the whole state.

State that replicas must share belongs behind the store protocol.
"""
