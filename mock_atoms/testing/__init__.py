"""What tests import: `MockServer`, `MockClient`, the container and the pytest plugin."""
