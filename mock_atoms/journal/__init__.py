"""The request journal and what is derived from it: access log, metrics and the retry report.

Nothing in this package keeps a complete token.
"""
