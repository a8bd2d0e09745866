"""Measures requests that differ, fail or come from a browser, beside a raw ASGI application."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.loads import Loads, Run, Script
from benchmarks.servers import FLOOR, HOST, KEY, LIST, OURS, ServerSpec, ours, started

CONNECTIONS = 16
NEW_TOKENS = "list, a new token each time"
DIFFERING = "list, different headers each time"
REPEATED = "list, repeated"
BEARER = f"Authorization: Bearer {KEY}"
SCRIPT = Path(__file__).with_name("requests.lua")


class Kind(NamedTuple):
    """A kind of request: its headers, its path, and whether its response is an error."""

    headers: tuple[str, ...]
    path: str = LIST
    fails: bool = True


KINDS = {
    NEW_TOKENS: Kind(("Authorization: Bearer sk_new_{number}",), fails=False),
    DIFFERING: Kind((BEARER, "traceparent: 00-{number}-00f067aa0ba902b7-01"), fails=False),
    REPEATED: Kind((BEARER,), fails=False),
    "list, Origin of a browser": Kind((BEARER, "Origin: http://localhost:3000"), fails=False),
    "fault 500 by key": Kind(("Authorization: Bearer sk_mock_500",)),
    "fault 500 by Prefer": Kind((BEARER, "Prefer: code=500")),
    "401": Kind(()),
    "404 in HTML": Kind((BEARER,), "/atoms/v1/unknown"),
}


def measure(floor: ServerSpec, loads: Loads, rounds: int, compared: Sequence[ServerSpec] = ()) -> dict[str, list[Run]]:
    """Measure all kinds of requests in turn, and the floor with requests that differ; `compared` are other checkouts.

    New tokens have a separate server, because others do not serve as many tenants meanwhile.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scripts = {}
        for name, kind in KINDS.items():
            file = folder / name
            head = (f"GET {kind.path} HTTP/1.1", f"Host: {HOST}", *kind.headers, "", "")
            file.write_text("\r\n".join(head), encoding="ascii", newline="")
            scripts[name] = Script(("--script", str(SCRIPT), "--", str(file)), kind.fails)
        servers = {FLOOR: stack.enter_context(started(floor))}
        scripts[FLOOR] = scripts[DIFFERING]
        for spec in (ours(), *compared):
            mock, of_new_tokens = (stack.enter_context(started(spec)) for _ in range(2))
            for name in KINDS:
                shown = name if spec.name == OURS else f"{name}, {spec.name}"
                servers[shown] = of_new_tokens if name == NEW_TOKENS else mock
                scripts[shown] = scripts[name]
        return loads.in_turn(servers, CONNECTIONS, rounds, scripts)
