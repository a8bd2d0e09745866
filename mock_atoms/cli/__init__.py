"""The `mock-atoms` command: one module per group of commands."""
