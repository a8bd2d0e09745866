"""The response cache and its fast path for repeated requests.

Cached responses are valid only while the tenant's version and the fault rules stay the same.
"""
