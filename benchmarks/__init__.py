"""What the mock costs, measured: `python -m benchmarks.serving`, and `audiences` and `soak` beside it."""
