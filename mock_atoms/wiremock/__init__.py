"""WireMock's request patterns and response shapes, so that its clients can verify against this mock.

This package reads journal entries and changes nothing.
"""
