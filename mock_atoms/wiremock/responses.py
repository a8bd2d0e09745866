"""Exchanges as the JSON of WireMock 3, so that its clients can read our journal."""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.models import (
    Difference,
    LoggedRequest,
    LoggedResponse,
    MockAtomsRequest,
    NearMiss,
    Parameter,
    ResponseDefinition,
    ServeEvent,
    Timing,
)
from mock_atoms.wiremock.stub_book import StubBook
from mock_atoms.wiremock.stubs import Stub

_FAULTS = {
    "reset": "CONNECTION_RESET_BY_PEER",
    "close": "EMPTY_RESPONSE",
    "garbage": "RANDOM_DATA_THEN_CLOSE",
}
"""WireMock's names of our connection faults."""


def logged_request(exchange: Exchange, attempt: int, body_cap: int) -> LoggedRequest:
    """Return a request as WireMock's LoggedRequest, with fields of our own under `mockAtoms`.

    WireMock's Java client accepts unknown keys there, and only there.

    Args:
        exchange: the request and its response.
        attempt: its attempt number.
        body_cap: number of bytes that the journal keeps of a body.
    """
    host, port = _host_and_port(exchange.head.host, exchange.head.scheme)
    return {
        "url": exchange.url,
        "absoluteUrl": f"{exchange.head.scheme}://{exchange.head.host}{exchange.url}",
        "method": exchange.method,
        "scheme": exchange.head.scheme,
        "host": host,
        "port": port,
        "clientIp": exchange.client_address,
        "headers": _header_values(exchange.head.headers),
        "cookies": {name: _unwrap_single(values) for name, values in exchange.cookies().items()},
        "browserProxyRequest": False,
        "protocol": f"HTTP/{exchange.head.http_version}",
        "body": exchange.body_text,
        "bodyAsBase64": b64encode(exchange.body).decode(),
        "loggedDate": int(exchange.arrived_at.timestamp() * 1000),
        "loggedDateString": format_timestamp(exchange.arrived_at),
        "queryParams": _parameters(exchange.query_parameters()),
        "formParams": _parameters(exchange.form_parameters()),
        "mockAtoms": _own_fields(exchange, attempt, body_cap),
    }


def _parameters(parameters: dict[str, list[str]]) -> dict[str, Parameter]:
    return {name: {"key": name, "values": values} for name, values in parameters.items()}


def _own_fields(exchange: Exchange, attempt: int, body_cap: int) -> MockAtomsRequest:
    return {
        "id": exchange.id,
        "tenant": exchange.tenant.label,
        "testId": exchange.tenant.test_id,
        "attempt": attempt,
        "status": exchange.status or None,
        "ended": exchange.ended,
        "malformedBody": exchange.has_malformed_body,
        "reason": exchange.reason,
        "faults": list(exchange.faults),
        "durationMs": None if exchange.duration_ms is None else round(exchange.duration_ms, 1),
        "bytesSent": exchange.bytes_sent,
        "bodySize": exchange.body_size,
        "bodyComplete": exchange.is_body_complete,
        "bodyCap": body_cap,
        "violations": [
            {
                "kind": violation.kind,
                "place": violation.place,
                "value": violation.value,
                "expected": violation.expected,
                "source": violation.source,
            }
            for violation in exchange.violations
        ],
    }


def serve_event(exchange: Exchange, attempt: int, body_cap: int, stubs: StubBook | None = None) -> ServeEvent:
    """Return an exchange as WireMock's ServeEvent.

    Args:
        exchange: the exchange.
        attempt: see `logged_request`.
        body_cap: see `logged_request`.
        stubs: the active stubs. Of a stub that was removed since, only the id is known.
    """
    event: ServeEvent = {
        "id": exchange.id,
        "request": logged_request(exchange, attempt, body_cap),
        "wasMatched": exchange.is_matched,
        "subEvents": [],
    }
    if exchange.stub is not None:
        stub = None if stubs is None else stubs.get(exchange.stub)
        event["stubMapping"] = {"id": exchange.stub, "uuid": exchange.stub} if stub is None else stub.as_json()
    if exchange.ended_at is not None:
        headers = _header_values(exchange.response_headers())
        definition: ResponseDefinition = {}
        body = exchange.response_body
        response: LoggedResponse = {
            "headers": headers,
            "body": body.text,
            "bodyAsBase64": b64encode(body.content).decode(),
        }
        if exchange.status:
            definition["status"] = response["status"] = exchange.status
        if fault := _FAULTS.get(exchange.ended or ""):
            definition["fault"] = response["fault"] = fault
        if not exchange.is_matched:
            definition["fromConfiguredStub"] = False
        event["responseDefinition"], event["response"] = definition, response
        event["timing"] = _timing(exchange)
    return event


def _timing(exchange: Exchange) -> Timing:
    """Return durations in whole milliseconds."""
    total = round(exchange.duration_ms or 0)
    added = min(round(exchange.delay_ms), total)
    serve = (
        total
        if exchange.response_started_at is None
        else min(total, round((exchange.response_started_at - exchange.started_at) * 1000))
    )
    return {
        "addedDelay": added,
        "processTime": max(0, serve - added),
        "responseSendTime": total - serve,
        "serveTime": serve,
        "totalTime": total,
    }


def near_miss(
    request: LoggedRequest, pattern: dict[str, Any], distance: float, differences: Iterable[Difference]
) -> NearMiss:
    """Return a request that does not match `pattern`, whose credentials are masked, with the differences."""
    request["mockAtoms"]["differences"] = list(differences)
    return {"request": request, "requestPattern": pattern, "matchResult": {"distance": round(distance, 4)}}


def stub_near_miss(request: LoggedRequest, exchange: Exchange, stub: Stub, distance: float) -> NearMiss:
    """Return a request that does not match a stub, with the differences."""
    try:
        differences = [*stub.pattern.differences(exchange)]
    except ConfigError:  # too many steps
        differences = []
    miss = near_miss(request, stub.request_json, distance, differences)
    miss["stubMapping"] = stub.as_json()
    return miss


def _host_and_port(header: str, scheme: str) -> tuple[str, int]:
    host, _, port = header.rpartition(":")
    if host and re.fullmatch(r"\d{1,5}", port, re.ASCII):
        return host, int(port)
    return header, 443 if scheme == "https" else 80


def _header_values(headers: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    values_by_name: dict[str, list[str]] = {}
    for name, value in headers:
        values_by_name.setdefault(name, []).append(value)
    return {name: _unwrap_single(values) for name, values in values_by_name.items()}


def _unwrap_single(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
