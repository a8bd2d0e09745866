"""Faults that a request asks for in its `Prefer` header."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from mock_atoms.core.masking import quote_value
from mock_atoms.faults.effects import MAX_DELAY_MS, ConnectionFault, Delay, FaultResponse
from mock_atoms.faults.expressions import ExpressionError, build_rule, parse_terms
from mock_atoms.faults.response_patch import ResponsePatch

_MAX_CACHED = 1_000
_PREFERENCES = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')  # a comma in quotes does not separate


class RequestedFault(NamedTuple):
    """The fault that one request asks for. Without any effect it asks for the API's own response."""

    delay: Delay | None = None
    respond: FaultResponse | None = None
    connection: ConnectionFault | None = None
    patch: ResponsePatch | None = None


def parse_prefer(values: Sequence[str]) -> RequestedFault | None:
    """Parse the preferences `code`, `delay` and `fault` in the `Prefer` headers of a request.

    `code=200` asks for the API's own response, regardless of the rules. Other preferences are ignored, as RFC 7240
    requires.

    Returns:
        The requested fault, or `None` if the headers have none of the three preferences.

    Raises:
        ExpressionError: a value of one of the three is invalid.
    """
    preferences = _fault_preferences(values) if values else {}
    if not preferences:
        return None
    expression = [preferences["fault"]] if "fault" in preferences else []
    if "delay" in preferences:
        if not re.fullmatch(r"\d{1,7}", preferences["delay"], re.ASCII):
            preference = quote_value(f"delay={preferences['delay']}")
            raise ExpressionError(f"{preference} is invalid: use at most {MAX_DELAY_MS} milliseconds")
        expression.append(f"delay{preferences['delay']}")
    if preferences.get("code", "200") != "200":
        if not re.fullmatch(r"\d{3}", preferences["code"], re.ASCII):
            preference = quote_value(f"code={preferences['code']}")
            raise ExpressionError(f"{preference} is invalid: use 200, or a status from 400 to 599")
        expression.append(preferences["code"])
    if not expression:
        return RequestedFault()
    return _parse_requested("+".join(expression))


@lru_cache(_MAX_CACHED)
def _parse_requested(expression: str) -> RequestedFault:
    """Return the fault of an expression. Only valid ones are cached, and they are short."""
    terms = parse_terms(expression)
    if terms.keys() & {"times", "percent", "limit"}:
        raise ExpressionError("one request has no count, share or limit: omit x, p and limit")
    rule = build_rule(terms)
    return RequestedFault(rule.delay, rule.respond, rule.connection, rule.alter)


def _fault_preferences(values: Iterable[str]) -> dict[str, str]:
    preferences: dict[str, str] = {}
    for item in _PREFERENCES.findall(",".join(values)):
        name, _, value = item.partition(";")[0].partition("=")
        name = name.strip().lower()
        if name in ("code", "delay", "fault"):
            if name in preferences:
                raise ExpressionError(f"{name} is duplicated")
            preferences[name] = value.strip().strip('"')
    return preferences
