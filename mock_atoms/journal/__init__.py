"""The request journal and what is derived from it: access log, metrics and the retry report.

No whole token is ever kept here.
"""
