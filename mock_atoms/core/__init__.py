"""Foundation of all packages: version, settings, parsing, masking, tenancy, timestamps, LRU cache and delays.

Modules here import neither another package of mock-atoms nor a web framework.
"""
