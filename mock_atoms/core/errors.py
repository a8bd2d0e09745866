"""Errors that several packages raise."""


class CapacityError(Exception):
    """A limit is reached. The message says which, and how to make room."""


class StoreUnavailableError(Exception):
    """The store that servers share cannot be used. The message says why, without its password."""
