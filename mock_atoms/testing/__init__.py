"""What tests import: `MockClient`, `MockServer`, the container and the pytest plugin."""
