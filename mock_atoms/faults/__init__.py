"""Fault rules, their expressions, and the engine that decides which rules trigger.

Pure: no I/O, no clock, and no randomness except what follows from the seed.
"""
