"""A request that the mock server received, and its response, as tests see them. Needs only the standard library."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

from mock_atoms.core.http_text import parse_query
from mock_atoms.core.masking import show_text
from mock_atoms.core.printable import show_invisible
from mock_atoms.journal.exchange import RESPONDED
from mock_atoms.testing.control_api import ControlError

MAX_ERROR_CHARACTERS = 200
"""Length of the errors in the line of a request."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request in the journal, and its response. Credentials are masked.

    Attributes:
        id: `X-Request-Id` of the response.
        method: HTTP method as sent.
        path: path as sent, without the query.
        query: decoded values of each query parameter.
        headers: values by lower-case name; a comma joins several values of one name.
        body: first 64 KiB of the body, or as many bytes as the setting `journal_body` says.
        body_size: size of the complete body in bytes.
        tenant: the masked token, valid or not; `-` without one.
        test_id: value of `X-Test-Id`, or `None`.
        attempt: attempt number within its call, from 1.
        status: HTTP status code of the response, or `None` without a response.
        ended: `responded`, `aborted` or the kind of a connection fault; `None` while in flight.
        faults: ids of the fault rules that triggered.
        reason: why the mock responded differently from the real API, or `None`.
        duration_ms: time until the response was complete, or `None` while in flight.
        arrived: when the request arrived, in UTC.
        violations: what the API does not document; docs/violations.md lists the keys.
        response_headers: response headers, in the form of `headers`; empty without a response.
        response_body: response body as sent, with the limit of `body`; empty without a response.
    """

    id: str
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = field(repr=False)
    body_size: int
    tenant: str
    test_id: str | None
    attempt: int
    status: int | None
    ended: str | None
    faults: tuple[str, ...]
    reason: str | None
    duration_ms: float | None
    arrived: datetime
    violations: tuple[dict[str, Any], ...] = ()
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: bytes = field(default=b"", repr=False)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Return the request of one event of `GET /__admin/requests`.

        Raises:
            ControlError: it lacks a field, or has another type: another server has responded.
        """
        try:
            return cls._parse(event["request"], event.get("response") or {"headers": {}, "bodyAsBase64": ""})
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ControlError("GET /requests: the response is not from a mock-atoms control API") from None

    @classmethod
    def _parse(cls, request: Mapping[str, Any], response: Mapping[str, Any]) -> Self:
        path, _, query = request["url"].partition("?")
        extension = request["mockAtoms"]
        return cls(
            id=extension["id"],
            method=request["method"],
            path=path,
            query=parse_query(query),
            headers=_headers(request["headers"]),
            body=b64decode(request["bodyAsBase64"]),
            body_size=extension["bodySize"],
            tenant=extension["tenant"],
            test_id=extension["testId"],
            attempt=extension["attempt"],
            status=extension["status"],
            ended=extension["ended"],
            faults=tuple(extension["faults"]),
            reason=extension["reason"],
            duration_ms=extension["durationMs"],
            arrived=datetime.fromtimestamp(request["loggedDate"] / 1000, UTC),
            violations=tuple(extension["violations"]),
            response_headers=_headers(response["headers"]),
            response_body=b64decode(response["bodyAsBase64"]),
        )

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the body as JSON.

        Raises:
            ValueError: the body is not JSON, or longer than the journal stores.
        """
        return json.loads(self.body)

    @property
    def errors(self) -> list[str]:
        """The messages of a response with a status of 400 or above; empty without any."""
        return error_messages(self.response_body) if (self.status or 0) >= HTTPStatus.BAD_REQUEST else []

    @property
    def outcome(self) -> str:
        """The status code, `aborted`, the kind of a connection fault, or `in flight`."""
        return str(self.status) if self.ended == RESPONDED else self.ended or "in flight"

    def __str__(self) -> str:
        """Return one line with the request and its outcome."""
        query = f"?{urlencode(self.query, doseq=True)}" if self.query else ""
        duration = "" if self.duration_ms is None else f" in {self.duration_ms:.0f} ms"
        line = f"{self.arrived:%H:%M:%S.%f}"[:-3] + f" {self.method} {self.path}{query} → {self.outcome}{duration}"
        for name, value in (
            ("attempt", self.attempt if self.attempt > 1 else None),
            ("fault", ",".join(self.faults)),
            ("reason", self.reason),
            ("body", f"{self.body_size} bytes" if self.body_size else ""),
        ):
            if value:
                line += f" {name}={value}"
        if not self.faults and (errors := self.errors):
            line += f" error: {show_text(' '.join(errors), MAX_ERROR_CHARACTERS)}"
        return show_invisible(line)


def error_messages(body: str | bytes) -> list[str]:
    """Return the messages in the body of an error response of the API, which has `errors` or `error`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(content, dict):
        return []
    errors, error = content.get("errors"), content.get("error")
    return list(map(str, errors)) if isinstance(errors, list) else [error] if isinstance(error, str) else []


def _headers(headers: Mapping[str, str | list[str]]) -> dict[str, str]:
    return {name.lower(): values if isinstance(values, str) else ", ".join(values) for name, values in headers.items()}
