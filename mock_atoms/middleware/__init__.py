"""Plain ASGI middleware around the vendor's routes: identification, recording, faults, caching and Express manners."""
