"""A local mock server of the Atoms audience API."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock_atoms.app import create_app
    from mock_atoms.client import ControlError, MockClient, RecordedRequest, RetryReport
    from mock_atoms.mock_server import MockServer
    from mock_atoms.server import ListenError
    from mock_atoms.settings import Settings
    from mock_atoms.validation import ConfigError

__all__ = [
    "ConfigError",
    "ControlError",
    "ListenError",
    "MockClient",
    "MockServer",
    "RecordedRequest",
    "RetryReport",
    "Settings",
    "__version__",
    "create_app",
]
__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "mock_atoms.validation",
    "ControlError": "mock_atoms.client",
    "ListenError": "mock_atoms.server",
    "MockClient": "mock_atoms.client",
    "MockServer": "mock_atoms.mock_server",
    "RecordedRequest": "mock_atoms.client",
    "RetryReport": "mock_atoms.client",
    "Settings": "mock_atoms.settings",
    "create_app": "mock_atoms.app",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Import a public name when it is first asked for: `import mock_atoms` alone costs nothing."""
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415 - only needed here

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
