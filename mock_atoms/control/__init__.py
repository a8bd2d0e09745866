"""The control API under `/__admin`, and who may call it.

It is never faulted and never journaled.
"""
