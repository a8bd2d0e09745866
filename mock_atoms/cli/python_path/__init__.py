"""A folder that `mock-atoms run` adds to `PYTHONPATH`. Python imports its `sitecustomize` at the start of a program."""
