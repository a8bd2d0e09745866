"""Two replicas in place of each server, asked in turn, for `pytest --replicas`."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count, cycle
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import app
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings
from mock_atoms.mock import MockAtoms
from mock_atoms.state.shared_log import SharedLog
from mock_atoms.state.shared_store import open_shared_log
from mock_atoms.testing import server
from tests.helpers.shared_log import MemoryLog

_create_app = app.create_app
_prefixes = (f"suite-{number}" for number in count())
_create_twins: WeakKeyDictionary[MockAtoms, Callable[[], MockAtoms]] = WeakKeyDictionary()


class InTurn:
    """Passes each request to the next application."""

    def __init__(self, *apps: ASGIApp) -> None:
        self._apps = cycle(apps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await next(self._apps)(scope, receive, send)


def replace_servers(patch: pytest.MonkeyPatch, redis_url: Callable[[], str]) -> None:
    """Let `MockAtoms` and `MockServer` create two replicas from now on, in modules that are imported later.

    Args:
        patch: replaces them.
        redis_url: starts a Redis server, which replicas of each `MockServer` share. The others share a log in memory.
    """
    initialize = MockAtoms.__init__

    def __init__(mock: MockAtoms, settings: Settings, *args: Any, **options: Any) -> None:  # noqa: ANN401, N807 - as in `MockAtoms`
        open_log: Callable[[], SharedLog] = options.pop("open_log", None) or partial(_same, MemoryLog())

        def initialize_replica(replica: MockAtoms) -> None:
            initialize(replica, settings, *args, **{"shared_log": open_log(), **options})

        def create_twin() -> MockAtoms:
            twin = MockAtoms.__new__(MockAtoms)
            initialize_replica(twin)
            twin.shutdown_signal = mock.shutdown_signal
            twin.end_of_streams = mock.end_of_streams
            close = mock.store.close

            async def close_both() -> None:
                await close()
                await twin.store.close()

            mock.store.close = close_both  # type: ignore[method-assign] # the server closes only one
            return twin

        initialize_replica(mock)
        _create_twins[mock] = create_twin

    def create_app(settings: Settings | None = None, mock: MockAtoms | None = None) -> ASGIApp:
        mock = mock or MockAtoms(settings or load_settings({}, os.environ))
        return InTurn(_create_app(mock=mock), _create_app(mock=_create_twins[mock]()))

    def create_with_redis(settings: Settings) -> MockAtoms:
        shared = settings.model_copy(update={"store": redis_url(), "store_prefix": next(_prefixes)})
        options: dict[str, Any] = {"open_log": partial(open_shared_log, shared)}
        return MockAtoms(settings, **options)

    patch.setattr(MockAtoms, "__init__", __init__)
    for module in (app, server):
        patch.setattr(module, "create_app", create_app)
    patch.setattr(server, "MockAtoms", create_with_redis)


def _same(log: SharedLog) -> SharedLog:
    return log
