"""Helpers that tests of several packages share: one module per noun."""
