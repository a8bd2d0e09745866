import asyncio

from starlette.types import Message

from mock_atoms.core.delays import CancellableWaiter, Receive, ShutdownSignal, Sleep, WaitResult

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


async def wait(client: Client, sleep: Sleep, *, keep_messages: bool = True) -> tuple[WaitResult, Receive]:
    return await CancellableWaiter(ShutdownSignal(), sleep).wait(0.01, client.receive, keep_messages=keep_messages)


def test_a_wait_ends_when_its_time_has_elapsed() -> None:
    result, _ = asyncio.run(wait(Client(REQUEST), return_immediately))
    assert result is WaitResult.ELAPSED


def test_a_wait_ends_when_the_client_disconnects() -> None:
    for messages in ([DISCONNECT], [REQUEST, DISCONNECT], [{**REQUEST, "more_body": True}, DISCONNECT]):
        result, _ = asyncio.run(wait(Client(*messages), wait_forever))
        assert result is WaitResult.CLIENT_DISCONNECTED


def test_a_repeated_request_message_is_no_disconnect() -> None:
    result, _ = asyncio.run(wait(Client(*[REQUEST] * 9), asyncio.sleep))
    assert result is WaitResult.ELAPSED


def test_the_shutdown_signal_ends_all_waits() -> None:
    async def run() -> list[WaitResult]:
        shutdown_signal = ShutdownSignal()
        waiter = CancellableWaiter(shutdown_signal, wait_forever)
        waits = [asyncio.ensure_future(waiter.wait(1, Client().receive)) for _ in range(3)]
        await asyncio.sleep(0.05)
        shutdown_signal.notify()
        return [(await pending)[0] for pending in waits]

    assert asyncio.run(run()) == [WaitResult.SHUTDOWN] * 3


def test_messages_received_during_a_wait_are_replayed() -> None:
    async def run() -> list[bytes]:
        client = Client({**REQUEST, "body": b"a", "more_body": True}, {**REQUEST, "body": b"b"})
        _, receive = await wait(client, asyncio.sleep)
        client.messages.append(DISCONNECT)
        return [(await receive()).get("body", b"disconnect") for _ in range(3)]

    assert asyncio.run(run()) == [b"a", b"b", b"disconnect"]


def test_messages_are_dropped_if_they_are_not_to_be_kept() -> None:
    async def run() -> str:
        client = Client({**REQUEST, "body": b"a"})
        _, receive = await wait(client, asyncio.sleep, keep_messages=False)
        client.messages.append(DISCONNECT)
        return str((await receive())["type"])

    assert asyncio.run(run()) == "http.disconnect"


def test_a_cancelled_wait_leaves_no_task() -> None:
    async def run() -> int:
        pending = asyncio.ensure_future(wait(Client(REQUEST), wait_forever))
        await asyncio.sleep(0.01)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
