"""Measures the cost of the mock: `python -m benchmarks.serving`, `benchmarks/audiences.py` and `benchmarks/soak.py`."""
