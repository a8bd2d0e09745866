"""The HTTP server: uvicorn's protocol and server, and TLS certificates."""
