"""Errors that several packages raise."""


def missing_package(package: str, extra: str) -> str:
    """Return the message about a package that a feature needs, and the extra of mock-atoms that installs it."""
    return f"the package {package} is missing: install mock-atoms with the extra `{extra}` (docs/python.md#install)"


class CapacityError(Exception):
    """A limit is reached. The message says which, and how to make room."""


class StoreUnavailableError(Exception):
    """The store that servers share cannot be used. The message says why, without its password."""
