"""The documented Atoms API: schemas, operations and errors.

Facts about the vendor's API belong here, each with its source letter (docs/fidelity.md).
"""
