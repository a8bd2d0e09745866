"""A fault rule: whom it strikes, how often, and with what. Its JSON is in docs/faults.md."""

import json
import math
import re
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from statistics import NormalDist
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    model_validator,
)

from mock_atoms.contract.errors import error_body, error_headers
from mock_atoms.contract.operations import NO_OPERATION, RequestedOperation
from mock_atoms.contract.schemas import JSON_TYPE, render_json
from mock_atoms.core.http_text import compile_path_template
from mock_atoms.core.json_pointer import parse_pointer
from mock_atoms.core.masking import TOKEN_PATTERN, mask_text, mask_token
from mock_atoms.core.parsing import MASKED_TOKEN, NOT_BLANK, StrictModel, parse_model
from mock_atoms.core.tenancy import Tenant, digest_test_id, digest_token, is_digest_of_test_id, mask_test_id

MAX_DELAY_MS = 3_600_000
STATUSES_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED}
WHOLE_TOKEN = re.compile(TOKEN_PATTERN)
_LONGEST_HEADER = 8_192
_FORBIDDEN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}

Milliseconds = Annotated[float, Field(ge=0, le=MAX_DELAY_MS)]


class RuleMatch(StrictModel):
    """Whom a rule strikes; what is left out matches all.

    Attributes:
        token: only tenants of this token. It is given whole, and kept masked.
        tokenDigest: what stands for the token in its place, follows from it, and need not be given with it.
        testId: only requests whose `X-Test-Id` is this. Where it may not be shown as it is, it is kept otherwise.
        testIdDigest: what stands for the id of the test then.
        method: only this HTTP method.
        path: only this path below the base path; `{id}` stands for any one segment.
    """

    token: Annotated[str, Field(pattern=MASKED_TOKEN)] | None = None
    tokenDigest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None  # noqa: N815 - JSON's own spelling
    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None  # noqa: N815 - the same
    method: Annotated[str, Field(pattern=r"^[A-Z]+$")] | None = None
    path: Annotated[str, Field(pattern=r"^/\S*$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_no_token(cls, given: object) -> object:
        """Put what may be shown, and a digest, in the place of a whole token, and of a test's id with one in it."""
        if not isinstance(given, Mapping):
            return given
        kept = dict(given)
        token, test_id = given.get("token"), given.get("testId")
        whole = token if isinstance(token, str) and WHOLE_TOKEN.fullmatch(token) else None
        if whole is not None:
            digest = digest_token(whole).hex()
            if given.get("tokenDigest", digest) != digest:
                raise ValueError("tokenDigest is not the digest of token: leave it out")
            kept |= {"token": mask_token(whole), "tokenDigest": digest}
        if isinstance(test_id, str) and "testIdDigest" not in given:
            shown = mask_test_id(test_id, whole)
            if shown not in (None, test_id.strip()):
                kept |= {"testId": shown, "testIdDigest": digest_test_id(test_id).hex()}
        return kept

    @model_validator(mode="after")
    def _know_whom(self) -> "RuleMatch":
        if self.token is not None and self.tokenDigest is None:
            raise ValueError("a masked token needs its tokenDigest")
        if self.testIdDigest is not None and not is_digest_of_test_id(self.testIdDigest, self.testId):
            raise ValueError("testIdDigest is not the digest of testId: leave it out")
        return self

    @cached_property
    def token_digest(self) -> bytes | None:
        """What stands for the one token that the rule strikes, or `None` for all."""
        return None if self.tokenDigest is None else bytes.fromhex(self.tokenDigest)

    @cached_property
    def test_digest(self) -> bytes | None:
        """What stands for the one test that the rule strikes, or `None` for all."""
        if self.testId is None:
            return None
        return digest_test_id(self.testId) if self.testIdDigest is None else bytes.fromhex(self.testIdDigest)

    @cached_property
    def _path(self) -> re.Pattern[str] | None:
        if self.path is None:
            return None
        return compile_path_template(self.path, trailing_slash=True)

    def __call__(self, tenant: Tenant, method: str, path: str) -> bool:
        """Tell whether a request of `tenant` to `path`, below the base path, is meant. HEAD counts as a GET too."""
        return (
            tenant.belongs_to(self.token_digest, self.test_digest)
            and (self.method in (None, method) or (self.method, method) == ("GET", "HEAD"))
            and (self._path is None or self._path.fullmatch(path) is not None)
        )


class RateLimit(StrictModel):
    """How many requests a tenant may send: `requests` in each window of `seconds`, which its first request opens."""

    requests: Annotated[int, Field(ge=0, le=1_000_000)]
    seconds: Annotated[int, Field(ge=1, le=86_400)] = 1


class RuleSchedule(StrictModel):
    """How often a rule strikes, counted over the matching requests of each tenant by itself.

    Attributes:
        after: how many matching requests are let through first.
        every: strike each n-th one from then on.
        times: strike so often at most; `None` for no end.
        probability: strike with this chance, from 0 (never) to 1 (always).
        limit: strike only those over this rate limit.
    """

    after: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=0)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    limit: RateLimit | None = None


class Delay(StrictModel):
    """How long an answer is held back, in milliseconds: `ms`, or evenly between `minMs` and `maxMs`, or log-normal."""

    ms: Milliseconds | None = None
    minMs: Milliseconds | None = None  # noqa: N815 - JSON's own spelling
    maxMs: Milliseconds | None = None  # noqa: N815 - the same
    medianMs: Milliseconds | None = None  # noqa: N815 - the same
    sigma: Annotated[float, Field(ge=0, le=10)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Delay":
        if self.model_fields_set not in ({"ms"}, {"minMs", "maxMs"}, {"medianMs", "sigma"}):
            raise ValueError("give ms, or minMs and maxMs, or medianMs and sigma")
        if None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("give numbers, not null")
        if self.minMs is not None and self.maxMs is not None and self.minMs > self.maxMs:
            raise ValueError("minMs is greater than maxMs")
        return self

    def milliseconds(self, chance: float) -> float:
        """Return the delay that belongs to `chance`, a number from 0 to below 1."""
        if self.minMs is not None and self.maxMs is not None:
            return self.minMs + chance * (self.maxMs - self.minMs)
        if self.medianMs and self.sigma:
            # NormalDist knows no 0.
            normal = NormalDist(0, self.sigma).inv_cdf(max(chance, 1e-9))
            return min(self.medianMs * math.exp(normal), MAX_DELAY_MS)
        return self.ms or self.medianMs or 0.0


def _header_lines(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _FORBIDDEN_HEADERS or name.lower().startswith("x-mock-atoms-"):
            raise ValueError(f"{name} is the server's own to set")
        if not re.fullmatch(r"[\x20-\x7e\t]*", value):
            raise ValueError(f"the value of {name} is not printable ASCII")
        if len(value) > _LONGEST_HEADER:
            raise ValueError(f"the value of {name} is longer than {_LONGEST_HEADER} characters")
    return headers


class FaultResponse(StrictModel):
    """What is answered in place of the API.

    Attributes:
        status: HTTP status.
        errors: messages for the error envelope, in place of the documented ones.
        body: any JSON, sent as it is in place of an envelope; a text is sent as a JSON string.
        text: the body to the letter, which need not be JSON, whatever its content type says.
        headers: headers to add or replace.
    """

    status: Annotated[int, Field(ge=200, le=599)]
    errors: list[str] | None = None
    body: Any = None
    text: str | None = None
    headers: Annotated[dict[str, str], AfterValidator(_header_lines)] = {}

    @model_validator(mode="after")
    def _one_body(self) -> "FaultResponse":
        given = [part for part in (self.errors, self.body, self.text) if part is not None]
        if len(given) > 1:
            raise ValueError("give one of errors, body and text")
        if self.status in STATUSES_WITHOUT_BODY:
            if given:
                raise ValueError(f"a {self.status} has no body")
        elif self.status < HTTPStatus.BAD_REQUEST and (not given or self.errors is not None):
            raise ValueError(f"a {self.status} is no error: give its body")
        try:
            self.render()
        except (ValueError, RecursionError) as error:
            raise ValueError(f"cannot be sent: {error}") from None
        return self

    @property
    def has_malformed_body(self) -> bool:
        """Whether it answers a success with a body that need not be the API's."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES and self.text is not None

    def render(
        self, extra_headers: Mapping[str, str] = MappingProxyType({}), operation: RequestedOperation = NO_OPERATION
    ) -> tuple[dict[str, str], bytes]:
        """Return the headers, by lower-case name, and the body of the answer.

        Args:
            extra_headers: headers that hold for this one answer, such as how long to wait; the headers of the rule win.
            operation: what was asked for; some have documented errors of their own.
        """
        written = {name.lower(): value for name, value in self.headers.items()}
        headers = error_headers(self.status) | dict(extra_headers) | written
        if self.status in STATUSES_WITHOUT_BODY:
            return headers, b""
        headers = {"content-type": JSON_TYPE} | headers
        if self.text is not None:
            return headers, self.text.encode()
        body = error_body(self.status, self.errors, headers, operation) if self.body is None else self.body
        return headers, render_json(body)


def _pointer(text: str) -> str:
    if not re.fullmatch(r"(/[^/]+)+", text):
        raise ValueError(f"{text!r} is not a place such as /data/0/name or /data/*/name")
    return text


class ResponsePatch(StrictModel):
    """What is changed in the API's own answer, whatever its status.

    Attributes:
        values: what is put where, by JSON pointer; `*` stands for every item. What stands there already is replaced, a
            key that is not there is added, and where there is no such item, nothing happens.
        headers: headers to add or replace.
    """

    values: dict[Annotated[str, AfterValidator(_pointer)], Any] = {}
    headers: Annotated[dict[str, str], AfterValidator(_header_lines)] = {}

    @model_validator(mode="after")
    def _does_something(self) -> "ResponsePatch":
        if not self.values and not self.headers:
            raise ValueError("give values or headers")
        try:
            render_json(self.values)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"cannot be sent: {error}") from None
        return self

    def apply(self, body: bytes) -> bytes:
        """Return `body` with the changed values in it; one that is not JSON stays as it is."""
        try:
            content = json.loads(body)
        except ValueError:
            return body
        for pointer, value in self.values.items():
            *way, last = parse_pointer(pointer)
            for holder in _places(content, way):
                for key in _keys(holder, last) if isinstance(holder, list) or last == "*" else [last]:
                    holder[key] = value
        return render_json(content)


def _keys(holder: object, part: str) -> list[Any]:
    """Return the keys or positions of `holder` that `part` of a pointer means."""
    if isinstance(holder, dict):
        return list(holder) if part == "*" else [part] if part in holder else []
    if isinstance(holder, list):
        return list(range(len(holder))) if part == "*" else [n for n in range(len(holder)) if str(n) == part]
    return []


def _places(content: Any, way: list[str]) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the objects and lists to which `way` leads in `content`."""
    places = [content]
    for part in way:
        places = [holder[key] for holder in places for key in _keys(holder, part)]
    return [place for place in places if isinstance(place, dict | list)]


ConnectionFaultKind = Literal["reset", "close", "hang", "truncate", "garbage", "drip"]


class ConnectionFault(StrictModel):
    """What becomes of the connection in place of a proper answer. In JSON it is written as in an expression.

    Attributes:
        kind: `reset` sends RST; `close` FIN before any byte; `hang` never answers; `truncate` sends headers that
            promise more than comes; `garbage` sends what is not HTTP; `drip` spreads the body.
        ms: how long it hangs (`None`: until the client gives up) or drips.
    """

    kind: ConnectionFaultKind
    ms: Milliseconds | None = None


_CONNECTION = re.compile(r"(reset|close|truncate|garbage)|(hang)(\d{1,7})?|(drip)(\d{1,7})", re.ASCII)


def parse_connection(text: str) -> ConnectionFault:
    """Parse a connection fault such as `reset` or `hang30000`.

    Raises:
        ValueError: `text` is no connection fault, or it takes too long.
    """
    match = _CONNECTION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r}: give reset, close, hang, hang30000, truncate, garbage or drip2000")
    plain, hang, hang_ms, drip, drip_ms = match.groups()
    ms = hang_ms or drip_ms
    if int(ms or 0) > MAX_DELAY_MS:
        raise ValueError(f"{text} is too long: at most {MAX_DELAY_MS} ms")
    return ConnectionFault.model_validate({"kind": plain or hang or drip, "ms": ms})


def _connection_in_short(value: object) -> object:
    if value is None or isinstance(value, ConnectionFault):
        return value
    if not isinstance(value, str):
        raise ValueError("give text such as reset or hang30000")  # noqa: TRY004 - pydantic wants a ValueError
    return parse_connection(value)


def _in_short(connection: ConnectionFault) -> str:
    return connection.kind + ("" if connection.ms is None else f"{connection.ms:.0f}")


class Rule(StrictModel):
    """Whom to strike, how often, and with what."""

    name: Annotated[str, Field(max_length=200), AfterValidator(mask_text)] | None = None
    match: RuleMatch = RuleMatch()
    when: RuleSchedule = RuleSchedule()
    delay: Delay | None = None
    respond: FaultResponse | None = None
    alter: ResponsePatch | None = None
    connection: Annotated[
        ConnectionFault | None,
        BeforeValidator(_connection_in_short),
        PlainSerializer(_in_short, return_type=str, when_used="unless-none"),
    ] = None

    @model_validator(mode="after")
    def _does_something(self) -> "Rule":
        if sum(part is not None for part in (self.respond, self.connection, self.alter)) > 1:
            raise ValueError("give one of respond, connection and alter")
        if self.delay is None and not self.is_terminal:
            raise ValueError("give delay, respond, connection or alter")
        return self

    def as_json(self) -> dict[str, Any]:
        """Return its JSON, without defaults. The token in it is masked; its digest lets it be parsed again."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def is_terminal(self) -> bool:
        """Whether it decides about the answer, and does not merely hold it back."""
        return self.respond is not None or self.connection is not None or self.alter is not None


def parse_rule(given: object) -> Rule:
    """Parse a rule given as JSON.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    return parse_model(Rule, given)
