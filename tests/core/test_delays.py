import asyncio

from starlette.types import Message

from mock_atoms.core.delays import CancellableWaiter, ShutdownSignal, WaitResult

REQUEST = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


async def at_once(_seconds: float) -> None:
    return


async def never(_seconds: float = 0) -> None:
    await asyncio.Future()


class Client:
    """Sends `messages`, then nothing more."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)

    async def receive(self) -> Message:
        if not self.messages:
            await never()
        return self.messages.pop(0)


def test_time_passes() -> None:
    outcome, _ = asyncio.run(CancellableWaiter(ShutdownSignal(), at_once).wait(1, Client(REQUEST).receive))
    assert outcome is WaitResult.ELAPSED


def test_a_client_that_goes_ends_it() -> None:
    for messages in ([GONE], [REQUEST, GONE], [{**REQUEST, "more_body": True}, GONE]):
        outcome, _ = asyncio.run(CancellableWaiter(ShutdownSignal(), never).wait(1, Client(*messages).receive))
        assert outcome is WaitResult.CLIENT_DISCONNECTED


def test_a_transport_that_repeats_the_request_is_not_taken_for_a_client_that_has_gone() -> None:
    outcome, _ = asyncio.run(CancellableWaiter(ShutdownSignal(), asyncio.sleep).wait(1, Client(*[REQUEST] * 9).receive))
    assert outcome is WaitResult.ELAPSED


def test_closing_ends_all_that_is_held_and_nothing_later() -> None:
    async def run() -> list[WaitResult]:
        shutdown_signal = ShutdownSignal()
        held = [
            asyncio.ensure_future(CancellableWaiter(shutdown_signal, never).wait(1, Client().receive)) for _ in range(3)
        ]
        await asyncio.sleep(0.05)
        shutdown_signal.notify()
        return [(await one)[0] for one in held]

    assert asyncio.run(run()) == [WaitResult.SHUTDOWN] * 3


def test_what_was_read_meanwhile_is_read_again() -> None:
    async def run() -> list[bytes]:
        parts = [{**REQUEST, "body": b"a", "more_body": True}, {**REQUEST, "body": b"b"}]
        client = Client(*parts)
        _, receive = await CancellableWaiter(ShutdownSignal(), asyncio.sleep).wait(0.01, client.receive)
        client.messages.append(GONE)
        return [(await receive()).get("body", b"gone") for _ in range(3)]

    assert asyncio.run(run()) == [b"a", b"b", b"gone"]


def test_what_is_not_to_be_kept_is_read_and_forgotten() -> None:
    async def run() -> str:
        client = Client({**REQUEST, "body": b"a"})
        _, receive = await CancellableWaiter(ShutdownSignal(), asyncio.sleep).wait(
            0.01, client.receive, keep_messages=False
        )
        client.messages.append(GONE)
        return str((await receive())["type"])

    assert asyncio.run(run()) == "http.disconnect"


def test_being_cancelled_leaves_no_task_behind() -> None:
    async def run() -> int:
        held = asyncio.ensure_future(CancellableWaiter(ShutdownSignal(), never).wait(1, Client(REQUEST).receive))
        await asyncio.sleep(0.01)
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
