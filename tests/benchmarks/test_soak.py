"""The checks of the soak can fail, and its clients count what they receive."""

import asyncio
import gc
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.hostile_clients import Client, is_complete, join_chunks
from benchmarks.hostile_requests import CHEAP, COSTLY, MALFORMED
from benchmarks.soak import KINDS, MAX_GROWTH, MAX_MEMORY, Measured, checks, problems
from benchmarks.soak_server import CallbackTimer
from mock_atoms import MockServer
from tests.helpers.snippets import ROOT


def measured(changes: dict[str, Any] | None = None) -> Measured:
    before = {"tasks": 3, "descriptors": 9, "threads": 4, "memory": 90, "peak": 9999, "entries": 0, "callback_ms": 99}
    amounts = {
        "before": before,
        "1/2": before | {"peak": 200, "callback_ms": 50},
        "reset 2": before | {"memory": 140, "peak": 140, "callback_ms": 1},
        "after": before | {"peak": 90, "callback_ms": 1},
    }
    others = dict(changes or {})
    for name, amount in others.pop("amounts", {}).items():
        amounts[name] |= amount
    outcomes = {"good": Counter({("good", "200"): 9}), "hostile": Counter({("no head", "closed"): 1})}
    return Measured(amounts, [], outcomes, 0, [], {"p99.9": 50.0})._replace(**others)


def failed(result: Measured) -> list[str]:
    return [name for name, is_met in checks(result).items() if not is_met]


def test_all_checks_of_a_good_soak_are_met() -> None:
    assert failed(measured()) == []


def test_the_memory_limit_follows_from_the_documented_sum() -> None:
    documented = re.search(
        r"\*\*sum\*\* \| \*\*([\d,]+) MiB\*\*", (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    )
    assert documented is not None
    assert int(documented[1].replace(",", "")) * 3 // 2 == MAX_MEMORY


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"amounts": {"after": {"tasks": 4}}}, "tasks: 3, 4"),
        ({"amounts": {"after": {"descriptors": 10}}}, "descriptors: 9, 10"),
        ({"amounts": {"after": {"threads": 5}}}, "threads: 4, 5"),
        ({"amounts": {"1/2": {"peak": MAX_MEMORY + 1}}}, f"memory {MAX_MEMORY + 1} MiB, at most {MAX_MEMORY} MiB"),
        ({"amounts": {"after": {"memory": 146}}}, "a reset keeps 56 of 110 MiB, at most 55 MiB"),
        (
            {"amounts": {"reset 2": {"memory": 90}, "after": {"memory": 91 + MAX_GROWTH}}},
            "it keeps 51 MiB more than the second one, at most 50 MiB",
        ),
        ({"problems": ["ERROR:asyncio:x"]}, "1 tracebacks and errors"),
        ({"bugs": 1}, "1 responses with a bug"),
        (
            {"outcomes": {"good": Counter({("good", "closed"): 2, ("good", "200"): 5})}},
            "2 good requests without their response",
        ),
        (
            {
                "outcomes": {
                    "hostile": Counter({("no head", "held open"): 1}),
                    "malformed": Counter({("x", "timeout"): 1}),
                }
            },
            "2 malformed and hostile requests that the server did not end",
        ),
        ({"amounts": {"after": {"callback_ms": 51}}}, "longest callback 51 ms of processor time"),
        ({"bystander": {"p99.9": 51.0}}, "99.9 % of the bystander's requests take at most 51.0 ms"),
    ],
)
def test_each_check_of_the_soak_can_fail(changes: dict[str, Any], check: str) -> None:
    assert failed(measured(changes)) == [check]


def test_tracebacks_errors_and_stderr_are_problems() -> None:
    log = [
        "INFO:x:fine\n",
        "Traceback (most recent call last):\n",
        '  File "x", line 1, in y\n',
        "ValueError: z\n",
        "INFO:x:fine\n",
        "ERROR:asyncio:Task was destroyed but it is pending!\n",
    ]
    found = problems(log, "Exception ignored in: x\n")
    assert found == [
        'Traceback (most recent call last):\n  File "x", line 1, in y\nValueError: z',
        "ERROR:asyncio:Task was destroyed but it is pending!",
        "Exception ignored in: x",
    ]


def test_the_longest_callbacks_are_known_by_name() -> None:
    async def wait() -> None:
        await asyncio.sleep(0)

    async def work() -> str:
        await wait()
        gc.collect()
        return "done"

    timer = CallbackTimer()
    gc.callbacks.append(timer.on_collection)
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(timer.create_task)  # type: ignore[arg-type] # typeshed wants a generic protocol
        assert runner.run(work()) == "done"
    gc.callbacks.remove(timer.on_collection)
    assert timer.longest_ms == timer.longest[0][0] > 0
    name = "test_the_longest_callbacks_are_known_by_name.<locals>"
    names = {what for _, what in timer.longest}
    assert {f"{name}.work", f"{name}.work > {name}.wait > sleep > __sleep0", "collection of generation 2"} <= names


def test_the_shares_of_the_clients_add_up_to_all_requests() -> None:
    assert sum(share for share, _, _ in KINDS.values()) == pytest.approx(1)
    assert not set(CHEAP) & set(COSTLY)


@pytest.mark.parametrize(
    ("received", "is_it"),
    [
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", False),
    ],
)
def test_a_client_recognizes_the_end_of_a_response(received: bytes, *, is_it: bool) -> None:
    assert is_complete(received, 0) is is_it


def test_chunks_are_joined() -> None:
    assert join_chunks(b"2\r\n{}\r\na\r\n0123456789\r\n0\r\n\r\n") == b"{}0123456789"


@pytest.mark.parametrize("kind", [*MALFORMED])
def test_malformed_requests_get_a_response(kind: str) -> None:
    with MockServer() as server:
        client = Client(server.port, 0)
        asyncio.run(client.exchange(kind, MALFORMED[kind](client.chance)))
    ((_, outcome),) = client.outcomes
    assert outcome.isdigit()
    assert outcome != "500"
    assert client.bugs == []


@pytest.mark.parametrize("act", [Client.good, Client.varied, Client.write])
def test_good_requests_get_their_responses(act: Callable[[Client], Any]) -> None:
    with MockServer() as server:
        client = Client(server.port, 1)
        asyncio.run(act(client))
    assert {outcome for _, outcome in client.outcomes} <= {"200", "403"}
