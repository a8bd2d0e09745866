"""What every package builds on: version, settings, parsing, masking, tenancy, timestamps, LRU cache and delays.

Nothing here knows the Atoms API, HTTP routes or a web framework.
"""
