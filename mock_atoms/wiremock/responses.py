"""The shapes in which WireMock 3 shows its journal, so that its clients read ours."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.journal.journal import MAX_BODY_BYTES, Entry
from mock_atoms.wiremock.patterns import Difference

_FAULTS = {
    "reset": "CONNECTION_RESET_BY_PEER",
    "close": "EMPTY_RESPONSE",
    "garbage": "RANDOM_DATA_THEN_CLOSE",
}
"""Connection faults of ours that WireMock has a name for."""


def logged_request(entry: Entry, attempt: int) -> dict[str, Any]:
    """Return a request as WireMock's LoggedRequest; what only we know is under `mockAtoms`.

    That is the one place where WireMock's own client for Java takes keys that it does not know.
    """
    host, port = _host_and_port(entry.head.host, entry.head.scheme)
    return {
        "url": entry.url,
        "absoluteUrl": f"{entry.head.scheme}://{entry.head.host}{entry.url}",
        "method": entry.method,
        "scheme": entry.head.scheme,
        "host": host,
        "port": port,
        "clientIp": entry.client,
        "headers": _one_or_several(entry.head.headers),
        "cookies": {name: _alone(values) for name, values in entry.cookies().items()},
        "browserProxyRequest": False,
        "protocol": f"HTTP/{entry.head.http_version}",
        "body": entry.text,
        "bodyAsBase64": b64encode(entry.body).decode(),
        "loggedDate": int(entry.arrived.timestamp() * 1000),
        "loggedDateString": format_timestamp(entry.arrived),
        "queryParams": _parameters(entry.query()),
        "formParams": _parameters(entry.form()),
        "mockAtoms": _ours(entry, attempt),
    }


def _parameters(given: dict[str, list[str]]) -> dict[str, Any]:
    return {name: {"key": name, "values": values} for name, values in given.items()}


def _ours(entry: Entry, attempt: int) -> dict[str, Any]:
    return {
        "id": entry.id,
        "tenant": entry.tenant.label,
        "testId": entry.tenant.test_id,
        "attempt": attempt,
        "status": entry.status or None,
        "ended": entry.ending,
        "reason": entry.reason,
        "faults": list(entry.faults),
        "durationMs": None if entry.duration_ms is None else round(entry.duration_ms, 1),
        "bytesSent": entry.bytes_sent,
        "bodySize": entry.body_size,
        "bodyComplete": entry.body_complete,
        "bodyCap": MAX_BODY_BYTES,
    }


def serve_event(entry: Entry, attempt: int) -> dict[str, Any]:
    """Return an exchange as WireMock's ServeEvent. The answer's body is not kept."""
    event: dict[str, Any] = {"id": entry.id, "request": logged_request(entry, attempt)}
    if entry.ended is not None:
        fault = _FAULTS.get(entry.ending or "")
        answer: dict[str, Any] = {"status": entry.status} if entry.status else {}
        if fault:
            answer["fault"] = fault
        event["responseDefinition"] = answer if entry.is_matched else {**answer, "fromConfiguredStub": False}
        headers = _one_or_several(entry.response_headers())
        event["response"] = {**answer, "headers": headers, "body": "", "bodyAsBase64": ""}
        event["timing"] = _timing(entry)
    return {**event, "wasMatched": entry.is_matched, "subEvents": []}


def _timing(entry: Entry) -> dict[str, int]:
    """Return how long it took, in whole milliseconds."""
    total = round(entry.duration_ms or 0)
    added = min(round(entry.delay_ms), total)
    serve = (
        total if entry.response_started is None else min(total, round((entry.response_started - entry.started) * 1000))
    )
    return {
        "addedDelay": added,
        "processTime": max(0, serve - added),
        "responseSendTime": total - serve,
        "serveTime": serve,
        "totalTime": total,
    }


def near_miss(
    entry: Entry, attempt: int, pattern: object, distance: float, differences: Iterable[Difference]
) -> dict[str, Any]:
    """Return a request that `pattern`, as it may be shown, did not mean, and in what it differs."""
    request = logged_request(entry, attempt)
    request["mockAtoms"]["differences"] = [difference._asdict() for difference in differences]
    return {"request": request, "requestPattern": pattern, "matchResult": {"distance": round(distance, 4)}}


def _host_and_port(header: str, scheme: str) -> tuple[str, int]:
    host, _, port = header.rpartition(":")
    if host and port.isascii() and port.isdigit():
        return host, int(port)
    return header, 443 if scheme == "https" else 80


def _one_or_several(headers: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    gathered: dict[str, list[str]] = {}
    for name, value in headers:
        gathered.setdefault(name, []).append(value)
    return {name: _alone(values) for name, values in gathered.items()}


def _alone(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
