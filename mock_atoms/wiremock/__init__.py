"""Stubs, scenarios, request patterns and response shapes as WireMock has them, so that its clients work.

Only a store changes the stubs and their scenarios.
"""
