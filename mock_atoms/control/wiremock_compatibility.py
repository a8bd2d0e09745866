"""What to do instead of calling an endpoint of WireMock that does not exist here."""

from mock_atoms.core.addresses import CONTROL_PREFIX

_FAULTS = f"POST {CONTROL_PREFIX}/faults (docs/faults.md)"
_ALTERNATIVES = {
    "mappings": "there is no such endpoint of stubs (docs/stubs.md)",
    "recordings": "recording is not supported; write fixtures or stubs of recorded responses (docs/fixtures.md)",
    "files": "files of stubs come from __files/ of --stubs; write body or base64Body into the stub (docs/stubs.md)",
    "settings": f"global settings are not supported; create a rule with a delay with {_FAULTS}",
    "shutdown": "the control API cannot stop the server; send SIGTERM",
    "version": f"send GET {CONTROL_PREFIX}/health, whose response has the version of mock-atoms",
    "near-misses": f"send POST {CONTROL_PREFIX}/near-misses/request-pattern or {CONTROL_PREFIX}/near-misses/request",
}
"""What to do instead of WireMock's endpoints that do not exist here, by their paths or the first segments of these."""


def alternative_to(path: str) -> str | None:
    """Return what to do instead of calling an endpoint of WireMock that does not exist here; `None` for other paths."""
    endpoint = path.removeprefix(f"{CONTROL_PREFIX}/")
    return _ALTERNATIVES.get(endpoint.partition("/")[0])
