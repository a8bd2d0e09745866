"""Parts of the application that are created at their first request."""

import asyncio
import threading

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.app import LazyApp
from tests.helpers.asgi import call


async def respond(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


def test_an_application_is_created_once_at_its_first_request() -> None:
    created: list[str] = []

    def create() -> ASGIApp:
        created.append("app")
        return respond

    app = LazyApp(create)
    assert created == []
    assert [call(app, "/").status for _ in range(3)] == [204, 204, 204]
    assert created == ["app"]


def test_others_run_while_an_application_is_created() -> None:
    created: list[str] = []
    may_be_created = threading.Event()

    def create() -> ASGIApp:
        assert may_be_created.wait(60)
        created.append("app")
        return respond

    async def run() -> None:
        app = LazyApp(create)
        sent: list[object] = []

        async def send(message: object) -> None:
            sent.append(message)

        requests = [asyncio.create_task(app({}, send, send)) for _ in range(3)]  # type: ignore[arg-type] # not used
        await asyncio.sleep(0.05)
        assert sent == []
        may_be_created.set()
        await asyncio.gather(*requests)
        assert (len(sent), created) == (3, ["app"])

    asyncio.run(run())
