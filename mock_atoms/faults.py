"""Faults: what a rule says, how it is written short, and which of them strike a request.

All pure: no clock, no I/O, no randomness but what follows from (seed, rule, tenant, n).
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from http import HTTPStatus
from statistics import NormalDist
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mock_atoms.contract import JSON_TYPE, error_body, error_headers, render_json
from mock_atoms.settings import ConfigError, Token
from mock_atoms.tenancy import Caller, caller_of, magic_word

MAX_DELAY_MS = 3_600_000
_CHANCES = 1 << 53  # as many as a float from 0 to 1 can tell apart
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED}
_FORBIDDEN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}

Milliseconds = Annotated[float, Field(ge=0, le=MAX_DELAY_MS)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Part):
    """Whom a rule strikes; what is left out matches all.

    Attributes:
        token: only the tenant of this token.
        method: only this HTTP method.
        path: only this path below the base path; `{id}` stands for any one segment.
    """

    token: Annotated[Token | None, Field(repr=False)] = None
    method: Annotated[str, Field(pattern=r"^[A-Z]+$")] | None = None
    path: Annotated[str, Field(pattern=r"^/\S*$")] | None = None

    @cached_property
    def tenant(self) -> bytes | None:
        """Key of the one tenant that the rule strikes, or `None` for all."""
        return caller_of(self.token).tenant if self.token else None

    @cached_property
    def _path(self) -> re.Pattern[str] | None:
        if self.path is None:
            return None
        parts = re.split(r"\{\w+\}", self.path.rstrip("/"))
        return re.compile("[^/]+".join(map(re.escape, parts)) + "/?")

    def __call__(self, tenant: bytes, method: str, path: str) -> bool:
        """Tell whether a request of `tenant` to `path`, below the base path, is meant."""
        return (
            (self.tenant is None or self.tenant == tenant)
            and (self.method is None or self.method == method)
            and (self._path is None or self._path.fullmatch(path) is not None)
        )


class When(_Part):
    """How often a rule strikes, counted over the matching requests of each tenant by itself.

    Attributes:
        after: how many matching requests are let through first.
        every: strike each n-th one from then on.
        times: strike so often at most; `None` for no end.
        probability: strike with this chance, from 0 (never) to 1 (always).
    """

    after: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=0)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0


class Delay(_Part):
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
        if name.lower() in _FORBIDDEN_HEADERS:
            raise ValueError(f"{name} is the server's own to set")
        if not re.fullmatch(r"[\x20-\x7e\t]*", value):
            raise ValueError(f"the value of {name} is not printable ASCII")
    return headers


class Respond(_Part):
    """What is answered in place of the API.

    Attributes:
        status: HTTP status.
        errors: messages for the error envelope, in place of the documented ones.
        body: any JSON, sent as it is in place of an envelope; a text is sent as a JSON string.
        headers: headers to add or replace.
    """

    status: Annotated[int, Field(ge=200, le=599)]
    errors: list[str] | None = None
    body: Any = None
    headers: Annotated[dict[str, str], AfterValidator(_header_lines)] = {}

    @model_validator(mode="after")
    def _one_body(self) -> "Respond":
        if self.errors is not None and self.body is not None:
            raise ValueError("give errors or body, not both")
        if self.status in BODILESS:
            if self.errors is not None or self.body is not None:
                raise ValueError(f"a {self.status} has no body")
        elif self.status < HTTPStatus.BAD_REQUEST and self.body is None:
            raise ValueError(f"a {self.status} is no error: give its body")
        return self

    def render(self) -> tuple[dict[str, str], bytes]:
        """Return the headers, by lower-case name, and the body of the answer."""
        headers = error_headers(self.status) | {name.lower(): value for name, value in self.headers.items()}
        if self.status in BODILESS:
            return headers, b""
        body = error_body(self.status, self.errors, headers) if self.body is None else self.body
        return {"content-type": JSON_TYPE} | headers, render_json(body)


class Rule(_Part):
    """Whom to strike, how often, and with what."""

    name: Annotated[str, Field(max_length=200)] | None = None
    match: Match = Match()
    when: When = When()
    delay: Delay | None = None
    respond: Respond | None = None

    @model_validator(mode="after")
    def _does_something(self) -> "Rule":
        if self.delay is None and self.respond is None:
            raise ValueError("give delay or respond, or both")
        return self


class ExpressionError(ValueError):
    """A fault expression that does not follow the grammar."""


_TERM = re.compile(
    r"(?:(?P<status>[1-9]\d\d)|delay(?P<delay>\d{1,7}))(?:x(?P<times>\d{1,9})|p(?P<percent>\d{1,3}))?", re.ASCII
)
_GRAMMAR = "expected terms such as 500, 500x2, 500p25 or delay250, joined by +"


def parse_expression(text: str) -> Rule:
    """Parse a fault expression such as `delay250+500x2` into the one rule that it is short for.

    A count (`x2`) or share (`p25`) may stand after any one term and holds for the whole expression.

    Raises:
        ExpressionError: says what is wrong with `text`.
    """
    parts: dict[str, str] = {}
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if match is None:
            raise ExpressionError(f"{term!r} is no fault: {_GRAMMAR}")
        for name, value in match.groupdict().items():
            if value is not None:
                if name in parts or {name, *parts} >= {"times", "percent"}:
                    raise ExpressionError(f"{text!r}: at most one status, one delay and one count or share")
                parts[name] = value
    status, delay = parts.get("status"), parts.get("delay")
    if status is not None and int(status) not in range(400, 600):
        raise ExpressionError(f"{status} is no fault: give a status from 400 to 599")
    if delay is not None and int(delay) > MAX_DELAY_MS:
        raise ExpressionError(f"delay{delay} is too long: at most {MAX_DELAY_MS} ms")
    if int(parts.get("percent", 0)) > 100:  # noqa: PLR2004 - a percentage
        raise ExpressionError(f"p{parts['percent']} is no percentage: give 0 to 100")
    return Rule(
        when=When(
            times=int(parts["times"]) if "times" in parts else None,
            probability=int(parts.get("percent", 100)) / 100,
        ),
        delay=Delay(ms=int(delay)) if delay is not None else None,
        respond=Respond(status=int(status)) if status is not None else None,
    )


def parse_fault(given: str | Mapping[str, Any]) -> Rule:
    """Parse one value of `--fault`: `[METHOD PATH] EXPRESSION`, or a rule as JSON.

    Raises:
        ConfigError: one line that names the field by JSON pointer; it never repeats a token.
    """
    if isinstance(given, str) and not given.lstrip().startswith("{"):
        return _parse_short(given)
    try:
        return Rule.model_validate(json.loads(given) if isinstance(given, str) else given)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--fault: not JSON: {error.msg} at column {error.colno}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        pointer = "".join(f"/{part}" for part in first["loc"])
        raise ConfigError(f"--fault: {pointer or '/'}: {first['msg'].removeprefix('Value error, ')}") from None


def _parse_short(given: str) -> Rule:
    match given.split():
        case [expression]:
            target = Match()
        case [method, path, expression]:
            try:
                target = Match(method=method, path=path)
            except ValidationError:
                raise ConfigError(f"--fault: {given!r}: METHOD is like GET, PATH like /audience/{{id}}") from None
        case _:
            raise ConfigError(f"--fault: {given!r}: write EXPRESSION, METHOD PATH EXPRESSION, or a rule as JSON")
    try:
        return parse_expression(expression).model_copy(update={"match": target})
    except ExpressionError as error:
        raise ConfigError(f"--fault: {error}") from None


class Count(NamedTuple):
    """How far one rule is with one tenant: how often it was asked, and how often it struck."""

    asked: int = 0
    struck: int = 0


Counters = dict[str, Count]
"""By rule id, of one tenant."""


class Preference(NamedTuple):
    """What one request asks for itself with a `Prefer` header."""

    delay: Delay | None = None
    respond: Respond | None = None


@dataclass(frozen=True, slots=True)
class Strike:
    """What befalls one request.

    Attributes:
        rules: ids of the rules that strike, in order of precedence.
        delay_ms: how long the answer is held back.
        respond: what is answered in place of the API, or `None` to let the API answer.
    """

    rules: tuple[str, ...]
    delay_ms: float = 0.0
    respond: Respond | None = None


PREFER_RULE = "prefer"
KEY_RULE = "key"
ERROR_RATE_RULE = "error-rate"


def parse_prefer(values: Iterable[str]) -> Preference | None:
    """Read `code`, `delay` and `fault` out of the values of a request's `Prefer` headers.

    Other preferences are passed over, as RFC 7240 wants; `code=200` asks for the API's own answer, whatever rules say.

    Returns:
        What is asked for, or `None` when none of the three is there.

    Raises:
        ExpressionError: a value of ours cannot be used.
    """
    asked: dict[str, str] = {}
    for item in ",".join(values).split(","):
        name, equals, value = item.partition(";")[0].partition("=")
        name = name.strip().lower()
        if equals and name in ("code", "delay", "fault"):
            if name in asked:
                raise ExpressionError(f"{name} stands twice")
            asked[name] = value.strip().strip('"')
    if not asked:
        return None
    terms = [asked["fault"]] if "fault" in asked else []
    if "delay" in asked:
        terms.append(f"delay{asked['delay']}")
    if asked.get("code", "200") != "200":
        if not re.fullmatch(r"\d{3}", asked["code"], re.ASCII):
            raise ExpressionError(f"code={asked['code']}: give 200, or a status from 400 to 599")
        terms.append(asked["code"])
    if not terms:
        return Preference()
    rule = parse_expression("+".join(terms))
    if rule.when != When():
        raise ExpressionError("one request has no count or share: leave out x and p")
    return Preference(rule.delay, rule.respond)


class FaultEngine:
    """The rules of a server, and the decision which of them strike a request.

    Args:
        seed: what the seeded choices derive from.
        rules: rules in order of precedence, by id.
        error_rate: share of requests that are answered 500 when nothing before struck.
    """

    def __init__(self, seed: str, rules: Mapping[str, Rule], error_rate: float = 0.0) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._rules = dict(rules)
        if error_rate > 0:
            self._rules[ERROR_RATE_RULE] = Rule(when=When(probability=error_rate), respond=Respond(status=500))

    def decide(
        self, caller: Caller, method: str, path: str, preference: Preference | None, counters: Counters
    ) -> Strike | None:
        """Tell what befalls a request, and count it in `counters`.

        A `Prefer` header decides alone. Else the caller's magic key is asked first, then the rules in their order:
        the first strike that holds back gives the delay, the first that answers gives the answer and ends the
        search. A rule that could add nothing is not asked, so its counter stays.

        Args:
            caller: who sends the request; its tenant owns `counters`.
            method: HTTP method.
            path: path below the base path.
            preference: what the request itself asks for.
            counters: updated in place.
        """
        if preference is not None:
            if preference == Preference():
                return None
            asked_ms = preference.delay.milliseconds(0.0) if preference.delay else 0.0
            return Strike((PREFER_RULE,), asked_ms, preference.respond)
        struck: list[str] = []
        delay_ms: float | None = None
        for rule_id, rule in self._candidates(caller):
            if rule.respond is None and delay_ms is not None:
                continue
            if not rule.match(caller.tenant, method, path):
                continue
            count = counters.get(rule_id, Count())
            hit = self._strikes(rule.when, rule_id, caller.tenant, count)
            counters[rule_id] = Count(count.asked + 1, count.struck + hit)
            if not hit:
                continue
            struck.append(rule_id)
            if rule.delay is not None and delay_ms is None:
                delay_ms = rule.delay.milliseconds(self._chance("delay", rule_id, caller.tenant, count.asked))
            if rule.respond is not None:
                return Strike(tuple(struck), delay_ms or 0.0, rule.respond)
        return Strike(tuple(struck), delay_ms or 0.0) if struck else None

    def _candidates(self, caller: Caller) -> Iterator[tuple[str, Rule]]:
        word = magic_word(caller.token)
        if word is not None:
            with suppress(ExpressionError):  # a word that is no expression makes it just a key
                yield KEY_RULE, parse_expression(word)
        yield from self._rules.items()

    def _strikes(self, when: When, rule_id: str, tenant: bytes, count: Count) -> bool:
        return (
            count.asked >= when.after
            and (count.asked - when.after + 1) % when.every == 0
            and (when.times is None or count.struck < when.times)
            and self._chance("strike", rule_id, tenant, count.asked) < when.probability
        )

    def _chance(self, purpose: str, rule_id: str, tenant: bytes, n: int) -> float:
        """Return a number from 0 to below 1 that follows from the seed and the arguments alone."""
        data = f"{purpose}\0{rule_id}\0{n}\0".encode() + tenant
        digest = blake2b(data, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") % _CHANCES / _CHANCES
