"""Effects of a fault on a request: a delay, a response in place of the API's, or a broken connection."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from statistics import NormalDist
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from mock_atoms.contract.errors import error_body, error_headers
from mock_atoms.contract.operations import NO_OPERATION, RequestedOperation
from mock_atoms.contract.schemas import JSON_TYPE
from mock_atoms.core.http_text import HTTP_NAME
from mock_atoms.core.json_stream import dump_json, render_json
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import StrictModel

MAX_DELAY_MS = 3_600_000
STATUSES_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED}
MAX_HEADER_VALUES = 100
"""Maximum number of values of one header of a rule."""
MAX_HEADER_LENGTH = 8_192
MAX_HEADERS_LENGTH = 16_384
"""Maximum number of characters of all headers of a rule, names included."""
HeaderValue = str | list[str]
"""The value of a response header, or several values."""
_SERVER_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}

Milliseconds = Annotated[float, Field(ge=0, le=MAX_DELAY_MS)]


class Delay(StrictModel):
    """Duration of a delay: `ms`, uniform between `minMs` and `maxMs`, or log-normal."""

    ms: Milliseconds | None = None
    minMs: Milliseconds | None = None  # noqa: N815 - JSON's own spelling
    maxMs: Milliseconds | None = None  # noqa: N815 - the same
    medianMs: Milliseconds | None = None  # noqa: N815 - the same
    sigma: Annotated[float, Field(ge=0, le=10)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_type(cls, value: object) -> object:
        if not isinstance(value, Mapping | Delay):
            problem = f'must be an object such as {{"ms": 250}}, not {quote_value(value)}'
            raise ValueError(problem)  # noqa: TRY004 - pydantic wants a ValueError
        return value

    @model_validator(mode="after")
    def _check_distribution(self) -> "Delay":
        if self.model_fields_set not in ({"ms"}, {"minMs", "maxMs"}, {"medianMs", "sigma"}):
            raise ValueError("must have ms, or minMs and maxMs, or medianMs and sigma")
        if None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("must have numbers, not null")
        if self.minMs is not None and self.maxMs is not None and self.minMs > self.maxMs:
            raise ValueError("minMs is greater than maxMs")
        return self

    def milliseconds(self, chance: float) -> float:
        """Return the delay at quantile `chance`, a number from 0 to below 1."""
        if self.minMs is not None and self.maxMs is not None:
            return self.minMs + chance * (self.maxMs - self.minMs)
        if self.medianMs and self.sigma:
            # The quantile 0 of a normal distribution is infinite.
            normal = NormalDist(0, self.sigma).inv_cdf(max(chance, 1e-9))
            return min(self.medianMs * math.exp(normal), MAX_DELAY_MS)
        return self.ms or self.medianMs or 0.0


def _check_header_value(value: object) -> HeaderValue:
    values = [value] if isinstance(value, str) else value
    if (
        not isinstance(values, list)
        or not 0 < len(values) <= MAX_HEADER_VALUES
        or not all(isinstance(item, str) for item in values)
    ):
        raise ValueError(f"must be text, or a list of 1 to {MAX_HEADER_VALUES} texts")
    for item in values:
        if not re.fullmatch(r"[\x20-\x7e\t…]*", item):  # masked keys of an exported rule have an ellipsis
            raise ValueError(f"{quote_value(item)} is not printable ASCII")
        if len(item) > MAX_HEADER_LENGTH:
            raise ValueError(f"must have at most {MAX_HEADER_LENGTH} characters")
    return value if isinstance(value, str) else list(values)


def _check_header_names(headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
    for name in headers:
        if not HTTP_NAME.fullmatch(name):
            raise ValueError(f"{quote_value(name)} is not a header name")
        if name.lower() in _SERVER_HEADERS or name.lower().startswith("x-mock-atoms-"):
            raise ValueError(f"{name} is set by the server: omit it")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header is duplicated: use a list of its values")
    characters = sum(len(name) + len(value) for name, values in header_values(headers).items() for value in values)
    if characters > MAX_HEADERS_LENGTH:
        raise ValueError(f"too large: {characters:,} characters; the maximum is {MAX_HEADERS_LENGTH:,}")
    return headers


_HEADER_VALUE_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_HEADER_VALUES},
    ]
}
HeaderFields = Annotated[
    dict[
        str,
        Annotated[HeaderValue, PlainValidator(_check_header_value), WithJsonSchema(_HEADER_VALUE_SCHEMA)],
    ],
    AfterValidator(_check_header_names),
]
"""Response headers that a rule may set. Several values of a name are sent as several headers."""


def header_values(headers: Mapping[str, HeaderValue]) -> dict[str, tuple[str, ...]]:
    """Return the values of each header, by lower-case name."""
    return {name.lower(): (value,) if isinstance(value, str) else tuple(value) for name, value in headers.items()}


class FaultResponse(StrictModel):
    """A response in place of the API's.

    Attributes:
        status: HTTP status.
        errors: messages for the error envelope instead of the documented ones.
        body: any JSON instead of the envelope; a text is sent as a JSON string.
        text: the exact body, which need not be JSON even if its content type says so.
        headers: headers to add or replace, each with one value or several.
    """

    status: Annotated[int, Field(ge=200, le=599)]
    errors: list[str] | None = None
    body: Any = None
    text: str | None = None
    headers: HeaderFields = {}

    @model_validator(mode="after")
    def _check_body(self) -> "FaultResponse":
        contents = [content for content in (self.errors, self.body, self.text) if content is not None]
        if len(contents) > 1:
            raise ValueError("use only one of errors, body and text")
        if self.status in STATUSES_WITHOUT_BODY:
            if contents:
                raise ValueError(f"a {self.status} has no body")
        elif self.status < HTTPStatus.BAD_REQUEST and (not contents or self.errors is not None):
            raise ValueError(f"{self.status} is not an error, so it needs body or text")
        if contents:
            try:
                dump_json(contents[0]).encode()
            except (ValueError, RecursionError) as error:
                raise ValueError(f"cannot be sent: {error}") from None
        return self

    @property
    def has_malformed_body(self) -> bool:
        """Whether the response is a success whose body may differ from the API's schema."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES and self.text is not None

    @property
    def is_documented(self) -> bool:
        """Whether the response depends on its status and the requested operation alone."""
        contents = (self.errors, self.body, self.text)
        return not self.headers and contents == (None, None, None) and self.status != HTTPStatus.TOO_MANY_REQUESTS

    def render(
        self,
        extra_headers: Mapping[str, str] = MappingProxyType({}),
        operation: RequestedOperation = NO_OPERATION,
        now: datetime | None = None,
    ) -> tuple[list[tuple[str, str]], bytes]:
        """Return the headers, with lower-case names, and the body.

        Args:
            extra_headers: headers of this one response, such as `retry-after`. The headers of the rule win.
            operation: the requested operation; some have their own documented errors.
            now: wall-clock time of the response, for a `Retry-After` that is a date.
        """
        headers = header_values(error_headers(self.status) | dict(extra_headers)) | header_values(self.headers)
        if self.status not in STATUSES_WITHOUT_BODY:
            headers = {"content-type": (JSON_TYPE,)} | headers
        fields = [(name, value) for name, values in headers.items() for value in values]
        if self.status in STATUSES_WITHOUT_BODY:
            return fields, b""
        if self.text is not None:
            return fields, self.text.encode()
        if self.body is not None:
            return fields, render_json(self.body)
        first_values = {name: values[0] for name, values in headers.items()}
        return fields, render_json(error_body(self.status, self.errors, first_values, operation, now))


ConnectionKind = Literal["reset", "close", "stale", "hang", "truncate", "garbage", "drip"]
CONNECTION_KINDS: tuple[ConnectionKind, ...] = get_args(ConnectionKind)
_DURATIONS = {"hang": r"(?:\d{1,7})?", "drip": r"\d{1,7}"}
CONNECTION_PATTERN = "|".join(kind + _DURATIONS.get(kind, "") for kind in CONNECTION_KINDS)
"""Regular expression of a connection fault, without groups."""
CONNECTION_EXAMPLES = f"{', '.join(CONNECTION_KINDS[:-1])}, hang30000 or {CONNECTION_KINDS[-1]}2000"


class ConnectionFault(StrictModel):
    """A broken connection in place of a proper response. Its JSON is a text such as `hang30000`.

    Attributes:
        kind: `reset` sends RST. `close` sends FIN before any byte. `stale` responds, and closes the kept connection
            without notice when the next request arrives. `hang` sends nothing. `truncate` sends headers that
            promise more than follows. `garbage` sends bytes that are not HTTP. `drip` sends the body in slow pieces.
        ms: duration of `hang` (`None`: until the client gives up) or `drip`.
    """

    kind: ConnectionKind
    ms: Milliseconds | None = None

    def __str__(self) -> str:
        return self.kind + ("" if self.ms is None else f"{self.ms:.0f}")


def parse_connection_fault(value: object) -> ConnectionFault:
    """Parse a connection fault such as `reset` or `hang30000`.

    Raises:
        ValueError: `value` is not a connection fault, or takes too long.
    """
    if not isinstance(value, str):
        raise ValueError("must be text such as reset or hang30000")  # noqa: TRY004 - pydantic wants a ValueError
    if not re.fullmatch(CONNECTION_PATTERN, value, re.ASCII):
        raise ValueError(f"{quote_value(value)} is not a connection fault: use {CONNECTION_EXAMPLES}")
    kind = value.rstrip("0123456789")
    ms = value.removeprefix(kind)
    if int(ms or 0) > MAX_DELAY_MS:
        raise ValueError(f"{value} takes too long: at most {MAX_DELAY_MS} ms")
    return ConnectionFault.model_validate({"kind": kind, "ms": ms or None})
