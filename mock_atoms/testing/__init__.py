"""Tools for tests: `MockServer`, `MockClient`, the container and the pytest plugin."""
