import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from starlette.types import Message

from mock_atoms.core.delays import (
    CancellableWaiter,
    InterruptedWorkError,
    ShutdownSignal,
    Sleep,
    WaitResult,
    run_while_connected,
)

REQUEST = {"type": "http.request", "body": b"", "more_body": False}
DISCONNECT = {"type": "http.disconnect"}


async def return_immediately(_seconds: float) -> None:
    return


async def wait_forever(_seconds: float = 0) -> None:
    await asyncio.Future()


class Client:
    """Sends `messages`, then nothing more."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)

    async def receive(self) -> Message:
        if not self.messages:
            await wait_forever()
        return self.messages.pop(0)


async def wait(client: Client, sleep: Sleep) -> WaitResult:
    return await CancellableWaiter(ShutdownSignal(), sleep).wait(0.01, client.receive)


def test_a_wait_ends_when_its_time_has_elapsed() -> None:
    assert asyncio.run(wait(Client(REQUEST), return_immediately)) is WaitResult.ELAPSED


def test_a_wait_ends_when_the_client_disconnects() -> None:
    for messages in ([DISCONNECT], [REQUEST, DISCONNECT], [{**REQUEST, "more_body": True}, DISCONNECT]):
        assert asyncio.run(wait(Client(*messages), wait_forever)) is WaitResult.CLIENT_DISCONNECTED


def test_a_repeated_request_message_is_no_disconnect() -> None:
    assert asyncio.run(wait(Client(*[REQUEST] * 9), asyncio.sleep)) is WaitResult.ELAPSED


def test_the_shutdown_signal_ends_all_waits() -> None:
    async def run() -> list[WaitResult]:
        shutdown_signal = ShutdownSignal()
        waiter = CancellableWaiter(shutdown_signal, wait_forever)
        waits = [asyncio.ensure_future(waiter.wait(1, Client().receive)) for _ in range(3)]
        await asyncio.sleep(0.05)
        shutdown_signal.notify()
        return [await pending for pending in waits]

    assert asyncio.run(run()) == [WaitResult.SHUTDOWN] * 3


def test_the_shutdown_signal_ignores_a_wait_that_was_cancelled_just_before() -> None:
    async def run() -> list[object]:
        shutdown_signal = ShutdownSignal()
        waits = [asyncio.ensure_future(shutdown_signal.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        waits[0].cancel()
        shutdown_signal.notify()
        return await asyncio.gather(*waits, return_exceptions=True)

    cancelled, notified = asyncio.run(run())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert notified is None


def test_a_cancelled_wait_leaves_no_task() -> None:
    async def run() -> int:
        pending = asyncio.ensure_future(wait(Client(REQUEST), wait_forever))
        await asyncio.sleep(0.01)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


async def run_for(client: Client, work: Coroutine[Any, Any, str], shutdown_signal: ShutdownSignal | None = None) -> str:
    return await run_while_connected(work, client.receive, shutdown_signal or ShutdownSignal())


def test_a_work_returns_its_result_to_a_connected_client() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "result"

    assert asyncio.run(run_for(Client(), work())) == "result"


def test_a_work_raises_its_error_for_a_connected_client() -> None:
    async def work() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(run_for(Client(), work()))


@pytest.mark.parametrize("cause", ["CLIENT_DISCONNECTED", "SHUTDOWN"])
def test_a_disconnect_or_a_shutdown_cancels_a_work(cause: str) -> None:
    log: list[str] = []
    shutdown_signal = ShutdownSignal()

    async def work() -> str:
        try:
            await wait_forever()
        finally:
            log.append("cancelled")
        return ""

    async def run() -> None:
        client = Client(DISCONNECT) if cause == "CLIENT_DISCONNECTED" else Client()
        asyncio.get_running_loop().call_later(0.05, shutdown_signal.notify)
        with pytest.raises(InterruptedWorkError, match=cause):
            await run_for(client, work(), shutdown_signal)
        assert log == ["cancelled"]

    asyncio.run(run())
