"""The initial data of a tenant: generated, from a persona, or from a fixture file.

Everything here is a pure function of the seed, the token and the fixture files.
"""
