"""The limit for the requests whose long work runs at the same time."""

import asyncio
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest

from mock_atoms.core.slices import MAX_WORK_SLOTS, MAX_WORK_SLOTS_PER_KEY, WORK_SLOT, Slices
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.exchange import CONTEXT_KEY
from mock_atoms.middleware.concurrency import SLOT_KEY, ConcurrencyLimitMiddleware

SCOPE = {CONTEXT_KEY: SimpleNamespace(caller=caller_for("sk_acme"))}


@pytest.mark.parametrize("ending", ["response", "error"])
def test_a_request_releases_its_slot_when_its_response_starts_or_it_fails(ending: str) -> None:
    started: list[int] = []
    all_started = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        slot = WORK_SLOT.get()
        assert slot is not None
        await slot.acquire()
        started.append(1)
        if len(started) == 3 * MAX_WORK_SLOTS:
            all_started.set()
        if ending == "error":
            raise ValueError
        await send({"type": "http.response.start"})

    async def read_slowly(_message: MutableMapping[str, Any]) -> None:
        await asyncio.Future()

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    async def run() -> None:
        middleware = ConcurrencyLimitMiddleware(app, Slices(lambda: 0.0))
        tasks = [asyncio.create_task(middleware(SCOPE, receive, read_slowly)) for _ in range(3 * MAX_WORK_SLOTS)]
        await all_started.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_requests_of_another_token_do_not_wait_for_all_of_one() -> None:
    log: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401 - ASGI
        slot = WORK_SLOT.get()
        assert slot is not None
        await slot.acquire()
        log.append(scope[CONTEXT_KEY].caller.token)
        await asyncio.sleep(0)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    async def send(_message: MutableMapping[str, Any]) -> None:
        raise AssertionError

    async def run() -> None:
        middleware = ConcurrencyLimitMiddleware(app, Slices(lambda: 0.0))
        tokens = ["sk_many"] * 3 * MAX_WORK_SLOTS + ["sk_one"]
        scopes = [{CONTEXT_KEY: SimpleNamespace(caller=caller_for(token))} for token in tokens]
        await asyncio.gather(*(middleware(scope, receive, send) for scope in scopes))

    asyncio.run(run())
    assert log.index("sk_one") == MAX_WORK_SLOTS_PER_KEY


def test_a_request_whose_response_is_patched_keeps_its_slot_until_then() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        slot = WORK_SLOT.get()
        assert slot is not None
        await slot.acquire()
        await send({"type": "http.response.start"})

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    async def send(_message: MutableMapping[str, Any]) -> None:
        pass

    async def run() -> None:
        slices = Slices(lambda: 0.0)
        middleware = ConcurrencyLimitMiddleware(app, slices)
        slots = [slices.work_slot(number) for number in range(MAX_WORK_SLOTS)]
        for slot in slots:
            with slot.in_use():
                await middleware({SLOT_KEY: slot}, receive, send)
                await asyncio.wait_for(slot.acquire(), 10)  # it has it already
        for slot in slots:
            await slot.acquire()
        waiting = asyncio.ensure_future(slices.work_slot("other").acquire())
        await asyncio.sleep(0)
        assert not waiting.done()
        slots[0].release()
        await asyncio.wait_for(waiting, 10)

    asyncio.run(run())


def test_a_request_that_begins_inside_another_has_its_own_slot() -> None:
    """A server may begin a request in the task of another one, with the variables of that task."""
    used: list[object] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401 - ASGI
        slot = WORK_SLOT.get()
        assert slot is not None
        await slot.acquire()
        used.append(slot)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    async def send(_message: MutableMapping[str, Any]) -> None:
        raise AssertionError

    async def run() -> None:
        slices = Slices(lambda: 0.0)
        middleware = ConcurrencyLimitMiddleware(app, slices)
        for _ in range(2 * MAX_WORK_SLOTS):
            with slices.work_slot("previous").in_use() as previous:
                await asyncio.wait_for(asyncio.create_task(middleware(SCOPE, receive, send)), 10)
                assert previous not in used
        assert len(used) == 2 * MAX_WORK_SLOTS

    asyncio.run(run())
