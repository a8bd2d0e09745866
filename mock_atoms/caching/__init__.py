"""The response cache. Cached responses are valid only while the tenant's version stays the same."""
