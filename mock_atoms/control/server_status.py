"""Health and metrics."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.models import Health, ServerSettings
from mock_atoms.control.setting_list import active_settings
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.core.version import __version__
from mock_atoms.journal.metrics import ServerStatus
from mock_atoms.mock import MockAtoms


class ServerStatusEndpoints:
    """Endpoints about the server itself."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        return EndpointGroup(
            "Health",
            "Is the server up, and what has it done?",
            (
                Endpoint("GET", "/health", self.health, "Check that the server is up", Health, query=None),
                Endpoint("GET", "/server", self.server, "Read the active settings", ServerSettings),
                Endpoint("GET", "/metrics", self.metrics, "Read metrics for Prometheus", str),
            ),
        )

    async def health(self, _request: Request) -> Response:
        """Return the version and uptime. Every caller may read them, without a token and with `--no-admin` too."""
        content: Health = {
            "status": "healthy",
            "message": "mock-atoms is ready",
            "version": __version__,
            "uptimeInSeconds": int(self._mock.uptime),
            "timestamp": format_timestamp(self._mock.now()),
        }
        return JSONResponse(content)

    async def server(self, _request: Request) -> Response:
        """Return the version, all active settings, and the last reload of fixtures and stubs.

        Tokens are masked, other secrets are left out. An `error` means that the previous files are still in use.
        """
        reload = self._mock.last_reload
        content: ServerSettings = {
            "version": __version__,
            "settings": active_settings(self._mock.settings),
            "lastReload": None if reload is None else {"at": format_timestamp(reload.at), "error": reload.error},
        }
        return JSONResponse(content)

    async def metrics(self, request: Request) -> Response:
        """Return all metrics in the text format of Prometheus, or in OpenMetrics if `Accept` asks for it."""
        mock = self._mock
        status = ServerStatus(
            tenants=len(await mock.store.tenants()),
            journal_entries=await mock.journal.count(),
            journal_dropped=mock.journal.dropped,
            triggered={rule.id: rule.triggered for rule in await mock.store.rules()},
            uptime=mock.uptime,
        )
        accept = request.headers.get("accept", "")
        content, content_type = await asyncio.to_thread(mock.metrics.copy().render, status, accept)
        return Response(content, headers={"content-type": content_type})
