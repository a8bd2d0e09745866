"""`python -m mock_atoms` is `mock-atoms`."""

from mock_atoms.cli import entry_point

entry_point()
