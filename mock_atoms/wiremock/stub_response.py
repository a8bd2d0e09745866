"""The response of a stub: its JSON, and the bytes to send."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from mock_atoms.core.json_stream import render_json
from mock_atoms.core.parsing import ConfigError, StrictModel
from mock_atoms.faults.effects import (
    MAX_DELAY_MS,
    STATUSES_WITHOUT_BODY,
    Delay,
    HeaderFields,
    Milliseconds,
    header_values,
)

MAX_STUB_FILE_BYTES = 1024 * 1024
"""Maximum size of a file that a stub sends."""
MAX_DRIBBLE_CHUNKS = 1_000
MAX_REASON_LENGTH = 200

StubFault = Literal["CONNECTION_RESET_BY_PEER", "EMPTY_RESPONSE", "RANDOM_DATA_THEN_CLOSE", "MALFORMED_RESPONSE_CHUNK"]
ReadBodyFile = Callable[[str], bytes]
"""Returns the content of a file by its name in `bodyFileName`; raises `ValueError` if it cannot be read."""


class DelayDistribution(StrictModel):
    """A random delay in milliseconds, as WireMock has it."""

    type: Literal["lognormal", "uniform"]
    median: Milliseconds | None = None
    sigma: Annotated[float, Field(ge=0, le=10)] | None = None
    maxValue: Milliseconds | None = None  # noqa: N815 - JSON's own spelling
    lower: Milliseconds | None = None
    upper: Milliseconds | None = None

    @model_validator(mode="after")
    def _check_fields(self) -> "DelayDistribution":
        required = {"median", "sigma"} if self.type == "lognormal" else {"lower", "upper"}
        fields = {name for name in self.model_fields_set - {"type", "maxValue"} if getattr(self, name) is not None}
        if fields != required:
            raise ValueError(f"{self.type} needs {' and '.join(sorted(required))}, and no other field")
        if self.maxValue is not None and self.type == "uniform":
            raise ValueError("maxValue is a field of lognormal: use upper")
        self.delay  # noqa: B018 - checks the order of the values
        return self

    @property
    def delay(self) -> Delay:
        """The same as a delay of fault rules."""
        if self.type == "lognormal":
            return Delay(medianMs=self.median, sigma=self.sigma)
        return Delay(minMs=self.lower, maxMs=self.upper)


class Dribble(StrictModel):
    """Sends the body in chunks, evenly over a duration in milliseconds."""

    numberOfChunks: Annotated[int, Field(ge=1, le=MAX_DRIBBLE_CHUNKS)]  # noqa: N815 - JSON's own spelling
    totalDuration: Milliseconds  # noqa: N815 - the same


def _check_reason(text: str) -> str:
    if not all(" " <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII")
    return text


class StubResponseFields(StrictModel):
    """The field `response` of a stub.

    Attributes:
        status: status code.
        statusMessage: the reason phrase behind the status code.
        headers: response headers.
        body: the body as text.
        jsonBody: the body as JSON.
        base64Body: the body in Base64.
        bodyFileName: name of the file with the body.
        fixedDelayMilliseconds: delay before the response.
        delayDistribution: random delay, in addition.
        chunkedDribbleDelay: sends the body slowly.
        fault: a broken connection in place of the response.
    """

    status: Annotated[int, Field(ge=200, le=599)] = 200
    statusMessage: Annotated[str, Field(max_length=MAX_REASON_LENGTH), AfterValidator(_check_reason)] | None = None  # noqa: N815 - JSON's own spelling
    headers: HeaderFields = {}  # noqa: RUF012 - a field of pydantic, which copies it
    body: str | None = None
    jsonBody: Any = None  # noqa: N815 - the same
    base64Body: str | None = None  # noqa: N815 - the same
    bodyFileName: str | None = None  # noqa: N815 - the same
    fixedDelayMilliseconds: Milliseconds | None = None  # noqa: N815 - the same
    delayDistribution: DelayDistribution | None = None  # noqa: N815 - the same
    chunkedDribbleDelay: Dribble | None = None  # noqa: N815 - the same
    fault: StubFault | None = None

    @model_validator(mode="after")
    def _check_body(self) -> "StubResponseFields":
        bodies = [self.body, self.jsonBody, self.base64Body, self.bodyFileName]
        if sum(body is not None for body in bodies) > 1:
            raise ValueError("use only one of body, jsonBody, base64Body and bodyFileName")
        return self


class StubResponse(NamedTuple):
    """The response of a stub.

    Attributes:
        status: status code.
        reason: reason phrase; `None` for the usual one.
        headers: lower-case names and values.
        body: the bytes to send.
        fixed_delay_ms: delay before the response.
        random_delay: random delay, in addition.
        max_random_ms: maximum of the random delay.
        dribble: how to send the body slowly.
        fault: a broken connection in place of the response.
    """

    status: int
    reason: bytes | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fixed_delay_ms: float = 0.0
    random_delay: Delay | None = None
    max_random_ms: float = MAX_DELAY_MS
    dribble: Dribble | None = None
    fault: StubFault | None = None

    def delay_ms(self, chance: float) -> float:
        """Return the delay before the response at quantile `chance`, a number from 0 to below 1."""
        random_ms = 0.0 if self.random_delay is None else self.random_delay.milliseconds(chance)
        return min(self.fixed_delay_ms + min(random_ms, self.max_random_ms), MAX_DELAY_MS)


def render_response(fields: StubResponseFields, read_file: ReadBodyFile) -> StubResponse:
    """Return the response with the bytes to send.

    Raises:
        ConfigError: the body cannot be used; names the field by JSON pointer inside of `response`.
    """
    body = _body(fields, read_file)
    if body and fields.status in STATUSES_WITHOUT_BODY:
        raise ConfigError(f"a {HTTPStatus(fields.status).value} has no body", "/status")
    headers = [(name, value) for name, values in header_values(fields.headers).items() for value in values]
    distribution = fields.delayDistribution
    return StubResponse(
        fields.status,
        None if fields.statusMessage is None else fields.statusMessage.encode(),
        tuple(headers),
        body,
        fields.fixedDelayMilliseconds or 0.0,
        None if distribution is None else distribution.delay,
        MAX_DELAY_MS if distribution is None or distribution.maxValue is None else distribution.maxValue,
        fields.chunkedDribbleDelay,
        fields.fault,
    )


def _body(fields: StubResponseFields, read_file: ReadBodyFile) -> bytes:
    if fields.body is not None:
        return fields.body.encode()
    if fields.jsonBody is not None:
        return render_json(fields.jsonBody)
    if fields.base64Body is not None:
        try:
            return b64decode(fields.base64Body, validate=True)
        except (Base64Error, ValueError) as error:
            raise ConfigError(f"not Base64: {error}", "/base64Body") from None
    if fields.bodyFileName is not None:
        try:
            return read_file(fields.bodyFileName)
        except ValueError as error:
            raise ConfigError(str(error), "/bodyFileName") from None
    return b""
