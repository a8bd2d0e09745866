"""Errors that several packages raise."""


class CapacityError(Exception):
    """A limit is reached. The message says which, and how to make room."""
