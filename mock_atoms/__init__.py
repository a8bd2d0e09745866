"""A local mock server of the Atoms audience API."""

from typing import TYPE_CHECKING, Any

from mock_atoms.core.version import __version__

if TYPE_CHECKING:
    from mock_atoms.app import create_app
    from mock_atoms.core.parsing import ConfigError
    from mock_atoms.core.settings import Settings
    from mock_atoms.serving.listening import ListenError
    from mock_atoms.testing.client import MockClient
    from mock_atoms.testing.container import MockAtomsContainer as MockAtomsContainer
    from mock_atoms.testing.control_api import ControlError
    from mock_atoms.testing.recorded_request import RecordedRequest
    from mock_atoms.testing.retry_report import RetryReport
    from mock_atoms.testing.server import MockServer

# MockAtomsContainer is left out, so that `from mock_atoms import *` works without the extra that it needs.
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

_MODULES = {
    "ConfigError": "mock_atoms.core.parsing",
    "ControlError": "mock_atoms.testing.control_api",
    "ListenError": "mock_atoms.serving.listening",
    "MockAtomsContainer": "mock_atoms.testing.container",
    "MockClient": "mock_atoms.testing.client",
    "MockServer": "mock_atoms.testing.server",
    "RecordedRequest": "mock_atoms.testing.recorded_request",
    "RetryReport": "mock_atoms.testing.retry_report",
    "Settings": "mock_atoms.core.settings",
    "create_app": "mock_atoms.app",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Import a public name on first use, to keep `import mock_atoms` fast."""
    if name in _MODULES:
        from importlib import import_module  # noqa: PLC0415 - only needed here

        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
