"""The vendor's routes: one module per group of operations, plus the parsing of uploads."""
