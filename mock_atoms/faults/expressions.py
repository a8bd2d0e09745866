"""Faults written short: the expression grammar, and the `Prefer` header."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pydantic import ValidationError

from mock_atoms.contract.operations import DOCUMENTED_PATHS
from mock_atoms.core.parsing import ConfigError, parse_json
from mock_atoms.faults.rules import (
    MAX_DELAY_MS,
    ConnectionFault,
    Delay,
    FaultResponse,
    RateLimit,
    ResponsePatch,
    Rule,
    RuleMatch,
    RuleSchedule,
    parse_connection,
    parse_rule,
)


class ExpressionError(ValueError):
    """A fault expression that does not follow the grammar."""


_TERM = re.compile(
    r"(?:(?P<status>[1-9]\d\d)|delay(?P<delay>\d{1,7})|limit(?P<limit>\d{1,6}(?:/\d{1,5})?)"
    r"|retry(?P<retry>\d{1,5})"
    r"|(?P<body>html|badjson|blank|plaintext|retyped|extra|nulled)"
    r"|(?P<connection>reset|close|truncate|garbage|hang\d{0,7}|drip\d{1,7}))"
    r"(?:x(?P<times>\d{1,9})|p(?P<percent>\d{1,3}))?",
    re.ASCII,
)
_PREFERENCES = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')  # a comma in quotes separates nothing
_GRAMMAR = (
    "expected terms such as 500, 500x2, 500p25, delay250 or limit10, joined by +; others are retry1, html, badjson, "
    "blank, plaintext, retyped, extra, nulled, reset, close, hang, truncate, garbage and drip2000"
)
_EXCLUSIVE = (
    *({"times", "percent"}, {"times", "limit"}, {"percent", "limit"}),
    *({"status", "connection"}, {"status", "body"}, {"body", "connection"}),
)


_WRONG_BODIES: dict[str, Callable[[], FaultResponse | ResponsePatch]] = {
    "html": partial(
        FaultResponse,
        status=502,
        text="<html><head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body></html>\r\n",
        headers={"Content-Type": "text/html"},
    ),
    "badjson": partial(FaultResponse, status=200, text='{"status":true,"data":[{"_id":"60d0fe4f53'),
    "blank": partial(FaultResponse, status=200, text=""),
    "plaintext": partial(ResponsePatch, headers={"Content-Type": "text/plain; charset=utf-8"}),
    "retyped": partial(ResponsePatch, values={"/data/*/memberCount": "some"}),
    "extra": partial(ResponsePatch, values={"/unexpected": True, "/data/*/unexpected": {"key": ["value"]}}),
    "nulled": partial(ResponsePatch, values={"/data/*/name": None}),
}
"""What makes bodies that are wrong on purpose, by their word."""


def parse_expression(text: str) -> Rule:
    """Parse a fault expression such as `delay250+500x2` into the one rule that it is short for.

    A count (`x2`) or share (`p25`) may stand after any one term and holds for the whole expression, as a limit does.

    Raises:
        ExpressionError: says what is wrong with `text`.
    """
    return _rule_of(_parts(text))


def _parts(text: str) -> dict[str, str]:
    """Return what `text` has of each kind of part, by name of the group in `_TERM`."""
    parts: dict[str, str] = {}
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if match is None:
            raise ExpressionError(f"{term!r} is no fault: {_GRAMMAR}")
        for name, value in match.groupdict().items():
            if value is not None:
                if name in parts or any({name, *parts} >= pair for pair in _EXCLUSIVE):
                    raise ExpressionError(
                        f"{text!r}: at most one answer such as 500 or reset, one delay and one count, share or limit"
                    )
                parts[name] = value
    _check_ranges(parts)
    return parts


def _rule_of(parts: Mapping[str, str]) -> Rule:
    limit = _parse_limit(parts["limit"]) if "limit" in parts else None
    connection = _parse_connection(parts["connection"]) if "connection" in parts else None
    wrong = _WRONG_BODIES[parts["body"]]() if "body" in parts else None
    status = parts.get("status", "429" if limit and not connection and not wrong else None)
    headers = {"Retry-After": parts["retry"]} if "retry" in parts else {}
    respond = FaultResponse(status=int(status), headers=headers) if status else None
    return Rule(
        when=RuleSchedule(
            times=int(parts["times"]) if "times" in parts else None,
            probability=int(parts.get("percent", 100)) / 100,
            limit=limit,
        ),
        delay=Delay(ms=int(parts["delay"])) if "delay" in parts else None,
        respond=wrong if isinstance(wrong, FaultResponse) else respond,
        alter=wrong if isinstance(wrong, ResponsePatch) else None,
        connection=connection,
    )


def _check_ranges(parts: Mapping[str, str]) -> None:
    if int(parts.get("status", 400)) not in range(400, 600):
        raise ExpressionError(f"{parts['status']} is no fault: give a status from 400 to 599")
    if int(parts.get("delay", 0)) > MAX_DELAY_MS:
        raise ExpressionError(f"delay{parts['delay']} is too long: at most {MAX_DELAY_MS} ms")
    if int(parts.get("percent", 0)) > 100:  # noqa: PLR2004 - a percentage
        raise ExpressionError(f"p{parts['percent']} is no percentage: give 0 to 100")
    if "retry" in parts and ("status" not in parts or "limit" in parts):
        raise ExpressionError(f"retry{parts['retry']}: it goes with a status such as 429, and with no limit")


def _parse_connection(text: str) -> ConnectionFault:
    try:
        return parse_connection(text)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def _parse_limit(text: str) -> RateLimit:
    requests, _, seconds = text.partition("/")
    try:
        return RateLimit(requests=int(requests), seconds=int(seconds or 1))
    except ValidationError:
        raise ExpressionError(f"limit{text}: give the seconds of a window, from 1 to 86400") from None


def parse_fault(given: str | Mapping[str, Any], base_path: str = "") -> Rule:
    """Parse one fault: `[METHOD PATH] EXPRESSION`, or a rule as JSON, which may say `fault` for an expression.

    Args:
        given: the fault.
        base_path: where the API begins; the path of a rule is below it.

    Raises:
        ConfigError: one line; what is wrong with a rule is named by JSON pointer.
    """
    if isinstance(given, str) and not given.lstrip().startswith("{"):
        rule = _parse_short(given)
    else:
        mapping = parse_json(given) if isinstance(given, str) else given
        rule = _parse_mapping(mapping) if isinstance(mapping, Mapping) and "fault" in mapping else parse_rule(mapping)
    path = rule.match.path
    if path is not None and not any(_may_be(path, documented) for documented in DOCUMENTED_PATHS):
        below = path[len(base_path) :] if base_path and path.startswith(f"{base_path}/") else None
        hint = f"write the path below the base path: {below}" if below else f"give one of {', '.join(DOCUMENTED_PATHS)}"
        raise ConfigError(f"{path} is no path of the API; {hint}", "/match/path")
    return rule


def _parse_mapping(given: Mapping[str, Any]) -> Rule:
    """Parse a rule that says in an expression how often it strikes, and with what."""
    others = {"when", "delay", "respond", "connection", "alter"} & given.keys()
    if others:
        raise ConfigError(f"fault says it all: leave out {', '.join(sorted(others))}", "/fault")
    try:
        short = parse_expression(given["fault"] if isinstance(given["fault"], str) else "")
    except ExpressionError as error:
        raise ConfigError(str(error), "/fault") from None
    return parse_rule({key: value for key, value in given.items() if key != "fault"} | short.as_json())


def _may_be(path: str, documented: str) -> bool:
    """Tell whether some path fits both templates."""
    wanted, known = (text.rstrip("/").split("/") for text in (path, documented))
    return len(wanted) == len(known) and all(
        ours == theirs or "{" in theirs or "{" in ours for ours, theirs in zip(wanted, known, strict=True)
    )


def _parse_short(given: str) -> Rule:
    match given.split():
        case [expression]:
            target = RuleMatch()
        case [method, path, expression]:
            try:
                target = RuleMatch(method=method, path=path)
            except ValidationError:
                raise ConfigError(f"{given!r}: METHOD is like GET, PATH like /audience/{{id}}") from None
        case _:
            raise ConfigError(f"{given!r}: write EXPRESSION, METHOD PATH EXPRESSION, or a rule as JSON")
    try:
        return parse_expression(expression).model_copy(update={"match": target})
    except ExpressionError as error:
        raise ConfigError(str(error)) from None


class RequestedFault(NamedTuple):
    """What one request asks for itself with a `Prefer` header."""

    delay: Delay | None = None
    respond: FaultResponse | None = None
    connection: ConnectionFault | None = None
    alter: ResponsePatch | None = None


def parse_prefer(values: Iterable[str]) -> RequestedFault | None:
    """Read `code`, `delay` and `fault` out of the values of a request's `Prefer` headers.

    Other preferences are passed over, as RFC 7240 wants; `code=200` asks for the API's own answer, whatever rules say.

    Returns:
        What is asked for, or `None` when none of the three is there.

    Raises:
        ExpressionError: a value of ours cannot be used.
    """
    asked = _our_preferences(values)
    if not asked:
        return None
    terms = [asked["fault"]] if "fault" in asked else []
    if "delay" in asked:
        if not re.fullmatch(r"\d{1,7}", asked["delay"], re.ASCII):
            raise ExpressionError(f"delay={asked['delay']}: give milliseconds, {MAX_DELAY_MS} at most")
        terms.append(f"delay{asked['delay']}")
    if asked.get("code", "200") != "200":
        if not re.fullmatch(r"\d{3}", asked["code"], re.ASCII):
            raise ExpressionError(f"code={asked['code']}: give 200, or a status from 400 to 599")
        terms.append(asked["code"])
    if not terms:
        return RequestedFault()
    parts = _parts("+".join(terms))
    if parts.keys() & {"times", "percent", "limit"}:
        raise ExpressionError("one request has no count, share or limit: leave out x, p and limit")
    rule = _rule_of(parts)
    return RequestedFault(rule.delay, rule.respond, rule.connection, rule.alter)


def _our_preferences(values: Iterable[str]) -> dict[str, str]:
    asked: dict[str, str] = {}
    for item in _PREFERENCES.findall(",".join(values)):
        name, _, value = item.partition(";")[0].partition("=")
        name = name.strip().lower()
        if name in ("code", "delay", "fault"):
            if name in asked:
                raise ExpressionError(f"{name} stands twice")
            asked[name] = value.strip().strip('"')
    return asked
