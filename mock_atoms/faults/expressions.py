"""Fault expressions such as `delay250+500x2`, and faults in all their spellings."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any

from pydantic import ValidationError

from mock_atoms.core.json_parsing import parse_json
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError, describe_error, parse_model
from mock_atoms.faults.effects import (
    CONNECTION_EXAMPLES,
    CONNECTION_KINDS,
    CONNECTION_PATTERN,
    MAX_DELAY_MS,
    ConnectionFault,
    Delay,
    FaultResponse,
    HeaderValue,
    parse_connection_fault,
)
from mock_atoms.faults.response_patch import ResponsePatch
from mock_atoms.faults.rule_match import RuleMatch
from mock_atoms.faults.rules import (
    MAX_RULE_CHARACTERS,
    MAX_WINDOW_SECONDS,
    RateLimit,
    Rule,
    RuleSchedule,
    RuleTarget,
    check_rule_size,
    parse_rule,
)

MAX_EXPRESSION_LENGTH = 10_000
_MAX_PARSED_EXPRESSIONS = 256
_TOO_LONG = f"the expression is too long: at most {MAX_EXPRESSION_LENGTH:,} characters"


class ExpressionError(ValueError):
    """A fault expression that does not follow the grammar."""


_TERM = re.compile(
    r"(?:(?P<status>[1-9]\d\d)|delay(?P<delay>\d{1,7})|limit(?P<limit>\d{1,6}(?:/\d{1,5})?)"
    r"|retry(?P<retry>\d{1,5})"
    r"|(?P<body>html|badjson|blank|plaintext|retyped|extra|nulled)"
    rf"|(?P<connection>{CONNECTION_PATTERN}))"
    r"(?:x(?P<times>\d{1,9})|p(?P<percent>\d{1,3}))?",
    re.ASCII,
)
_WORDS = (
    *("delay", "limit", "retry", "html", "badjson", "blank", "plaintext", "retyped", "extra", "nulled"),
    *CONNECTION_KINDS,
)
_GRAMMAR = (
    "Join terms such as 500, 500x2, 500p25, delay250 or limit10 with +; others are retry1, html, badjson, blank, "
    f"plaintext, retyped, extra, nulled, {CONNECTION_EXAMPLES}"
)
_EXCLUSIVE = (
    *({"times", "percent"}, {"times", "limit"}, {"percent", "limit"}),
    *({"status", "connection"}, {"status", "body"}, {"body", "connection"}),
)


_MALFORMED_BODIES: dict[str, Callable[[], FaultResponse | ResponsePatch]] = {
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
"""Factories of the effects with malformed bodies, by term. They are built late because models are slow to build."""


def parse_expression(text: str) -> Rule:
    """Parse a fault expression such as `delay250+500x2` into one rule.

    A count (`x2`), share (`p25`) or limit can follow any one term and applies to the complete expression.

    Raises:
        ExpressionError: says what is wrong with `text`.
    """
    return build_rule(parse_terms(text))


@lru_cache(_MAX_PARSED_EXPRESSIONS)
def _template(expression: str) -> Rule:
    """Return the rule of an expression, to copy only. Test suites create most rules from few expressions."""
    return parse_expression(expression)


def parse_terms(text: str) -> dict[str, str]:
    """Return the values in an expression by their kind, such as `{"status": "500", "times": "2"}`.

    Raises:
        ExpressionError: says what is wrong with `text`.
    """
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise ExpressionError(_TOO_LONG)
    terms: dict[str, str] = {}
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if match is None:
            raise ExpressionError(f"{quote_value(term)} is not a fault.{_suggestion(term)} {_GRAMMAR}")
        for kind, value in match.groupdict().items():
            if value is not None:
                if kind in terms or any({kind, *terms} >= pair for pair in _EXCLUSIVE):
                    raise ExpressionError(
                        f"the terms of {quote_value(text)} exclude each other: use at most one of status, body and "
                        "connection fault, one delay, and one of x, p and limit"
                    )
                terms[kind] = value
    _check_ranges(terms)
    return terms


def build_rule(terms: Mapping[str, str]) -> Rule:
    """Return the rule of the terms that `parse_terms` returned.

    Raises:
        ExpressionError: a limit or the duration of a connection fault is out of range.
    """
    limit = _parse_limit(terms["limit"]) if "limit" in terms else None
    connection = _parse_connection(terms["connection"]) if "connection" in terms else None
    malformed = _MALFORMED_BODIES[terms["body"]]() if "body" in terms else None
    status = terms.get("status", "429" if limit and not connection and not malformed else None)
    headers: dict[str, HeaderValue] = {"Retry-After": terms["retry"]} if "retry" in terms else {}
    respond = FaultResponse(status=int(status), headers=headers) if status else None
    return Rule(
        when=RuleSchedule(
            times=int(terms["times"]) if "times" in terms else None,
            probability=int(terms.get("percent", 100)) / 100,
            limit=limit,
        ),
        delay=Delay(ms=int(terms["delay"])) if "delay" in terms else None,
        respond=malformed if isinstance(malformed, FaultResponse) else respond,
        alter=malformed if isinstance(malformed, ResponsePatch) else None,
        connection=connection,
    )


def _suggestion(term: str) -> str:
    """Return ` Did you mean …?` with a similar valid term, or an empty string."""
    lowered = term.strip().lower()
    word = re.findall(r"^[a-z]*", lowered)[0]
    candidates = [lowered, lowered.replace("o", "0")]
    candidates += [known + lowered[len(word) :] for known in get_close_matches(word, _WORDS, n=1)]
    return next((f" Did you mean `{candidate}`?" for candidate in candidates if _TERM.fullmatch(candidate)), "")


def _check_ranges(terms: Mapping[str, str]) -> None:
    if int(terms.get("status", 400)) not in range(400, 600):
        raise ExpressionError(f"`{terms['status']}` is not a fault: use a status from 400 to 599")
    if int(terms.get("delay", 0)) > MAX_DELAY_MS:
        raise ExpressionError(f"`delay{terms['delay']}` is too long: at most {MAX_DELAY_MS} ms")
    if int(terms.get("percent", 0)) > 100:  # noqa: PLR2004 - a percentage
        raise ExpressionError(f"`p{terms['percent']}` is not a percentage: use 0 to 100")
    if "retry" in terms and ("status" not in terms or "limit" in terms):
        raise ExpressionError(f"`retry{terms['retry']}` needs a status such as 429, and excludes limit")


def _parse_connection(text: str) -> ConnectionFault:
    try:
        return parse_connection_fault(text)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def _parse_limit(text: str) -> RateLimit:
    requests, _, seconds = text.partition("/")
    try:
        return RateLimit(requests=int(requests), seconds=int(seconds or 1))
    except ValidationError:
        raise ExpressionError(
            f"`limit{text}` is out of range: use a window of 1 to {MAX_WINDOW_SECONDS} seconds"
        ) from None


def parse_fault(value: str | Mapping[str, Any]) -> Rule:
    """Parse one fault in any of its spellings. `check_rule_path` checks its path.

    Args:
        value: `EXPRESSION`, `METHOD PATH EXPRESSION`, or the JSON of a rule, as text or parsed. A rule can have an
            expression as `fault`.

    Raises:
        ConfigError: one line; names the field of a rule by JSON pointer.
    """
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return _parse_words(value)
    if isinstance(value, str) and len(value) > MAX_RULE_CHARACTERS:
        raise ConfigError(f"a rule in a text has at most {MAX_RULE_CHARACTERS:,} characters: send an object", "/")
    payload = parse_json(value) if isinstance(value, str) else value
    check_rule_size(payload)
    return _parse_mapping(payload) if isinstance(payload, Mapping) and "fault" in payload else parse_rule(payload)


def _parse_words(text: str) -> Rule:
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise ConfigError(_TOO_LONG)
    match text.split():
        case [expression]:
            target = RuleMatch()
        case [method, path, expression]:
            try:
                target = RuleMatch(method=method, path=path)
            except ValidationError as error:
                details = error.errors(include_url=False)[0]
                is_pattern = details["type"] == "string_pattern_mismatch"
                problem = "METHOD is like GET, PATH like /audience/{id}" if is_pattern else describe_error(details)
                raise ConfigError(f"{quote_value(text)} is not a fault: {problem}") from None
        case _:
            raise ConfigError(
                f"{quote_value(text)} is not a fault: write EXPRESSION, METHOD PATH EXPRESSION, or a rule as JSON"
            )
    try:
        return _template(expression).model_copy(update={"match": target})
    except ExpressionError as error:
        raise ConfigError(str(error)) from None


def _parse_mapping(payload: Mapping[str, Any]) -> Rule:
    """Parse a rule that has an expression as `fault`."""
    conflicts = {"when", "delay", "respond", "connection", "alter"} & payload.keys()
    if conflicts:
        raise ConfigError(f"fault is a complete expression: omit {', '.join(sorted(conflicts))}", "/fault")
    fault = payload["fault"]
    if not isinstance(fault, str):
        raise ConfigError(f'must be text such as "500", not {quote_value(fault)}', "/fault")
    try:
        rule = _template(fault)
    except ExpressionError as error:
        raise ConfigError(str(error), "/fault") from None
    rest = {key: value for key, value in payload.items() if key != "fault"}
    target = parse_model(RuleTarget, rest, keys=("fault", "name", "match"))
    return rule.model_copy(update={"name": target.name, "match": target.match})
