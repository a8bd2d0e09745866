"""WireMock's request patterns: which exchanges of the journal are meant, and how near the others come."""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from difflib import SequenceMatcher
from functools import partial
from heapq import nsmallest
from typing import Any, NamedTuple

from mock_atoms.core.http_text import compile_path_template
from mock_atoms.core.masking import mask_text, mask_token, mask_url
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.credentials import CREDENTIAL_HEADERS, Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.json_matching import is_nested_too_deeply
from mock_atoms.wiremock.operators import Matcher, Operand, OperandContext, parse_matcher, regular_expression

_URL_FIELDS = ("url", "urlPattern", "urlPath", "urlPathPattern", "urlPathTemplate")
_MAP_FIELDS = ("pathParameters", "queryParameters", "headers", "cookies")
_FIELDS = ("method", *_URL_FIELDS, *_MAP_FIELDS, "bodyPatterns")
_OTHER_FIELDS = {
    *("scheme", "host", "port", "clientIp", "basicAuth", "basicAuthCredentials", "formParameters"),
    *("multipartPatterns", "customMatcher"),
}
"""What WireMock has besides: its clients may send null there."""
_CREDENTIAL_FREE_OPERATORS = {"absent", "matches", "doesNotMatch"}
"""What is asked of a credential with these has none in it."""
_COMPARED_CHARACTERS = 1_000
_LOOKED_AT_CLOSELY = 50


class StrictModel(NamedTuple):
    """One thing that a pattern asks of an exchange.

    Attributes:
        field: of what, such as `headers.Accept`.
        said: what, in words, credentials masked.
        values: what an exchange has there.
        test: whether an exchange is as it asks.
        wanted: the text it asks for, where it is one.
        is_of_body: whether it is about the body.
    """

    field: str
    said: str
    values: Callable[[Exchange], list[str]]
    test: Callable[[Exchange], bool]
    wanted: str | None = None
    is_of_body: bool = False


class Difference(NamedTuple):
    """Where an exchange is not as a pattern asks.

    Attributes:
        field: where.
        expected: what the pattern asks for.
        actual: what the exchange has, `None` for nothing.
    """

    field: str
    expected: str
    actual: str | None


class RequestPattern(NamedTuple):
    """Which exchanges are meant: those that have all parts. Without any, all exchanges are."""

    parts: tuple[StrictModel, ...]

    def matches(self, exchange: Exchange) -> bool:
        """Tell whether `exchange` is meant. Of a body that has not come yet, nothing can be told."""
        if exchange.ended is None and not exchange.is_body_complete and any(part.is_of_body for part in self.parts):
            return False
        return all(part.test(exchange) for part in self.parts)

    def differences(self, exchange: Exchange) -> list[Difference]:
        """Return in what `exchange` differs."""
        return [
            Difference(part.field, part.said, ", ".join(values) if (values := part.values(exchange)) else None)
            for part in self.parts
            if not part.test(exchange)
        ]

    def distance(self, exchange: Exchange) -> float:
        """Return how far `exchange` is from being meant: 0 is not at all, 1 is in all parts."""
        return sum(_distance(part, exchange) for part in self.parts) / max(1, len(self.parts))


def _distance(part: StrictModel, exchange: Exchange) -> float:
    if part.test(exchange):
        return 0.0
    if part.wanted is None:
        return 1.0
    wanted = part.wanted[:_COMPARED_CHARACTERS]
    ratios = (SequenceMatcher(None, wanted, value[:_COMPARED_CHARACTERS]).ratio() for value in part.values(exchange))
    return 1.0 - max(ratios, default=0.0) * 0.9  # never as near as what fits


def nearest(pattern: RequestPattern, exchanges: Iterable[Exchange], count: int) -> list[tuple[float, Exchange]]:
    """Return the `count` exchanges that come nearest to `pattern` without being meant, and how far they are."""

    def failures(exchange: Exchange) -> int:
        return sum(not part.test(exchange) for part in pattern.parts)

    missed = [
        (number, -position, exchange) for position, exchange in enumerate(exchanges) if (number := failures(exchange))
    ]
    likely = nsmallest(max(count, _LOOKED_AT_CLOSELY), missed, key=lambda item: item[:2])
    ranked = sorted((pattern.distance(exchange), age, exchange) for _, age, exchange in likely)
    return [(distance, exchange) for distance, _, exchange in ranked[:count]]


def parse_pattern(given: object, credentials: Credentials) -> RequestPattern:
    """Parse a request pattern.

    Raises:
        ConfigError: names what is wrong with it, or what is not supported, by JSON pointer.
    """
    place = OperandContext("", credentials)
    if is_nested_too_deeply(given):
        raise ConfigError("nested too deeply", "/")
    fields = _known_fields(given, place)
    parts = [_method(fields["method"])] if "method" in fields else []
    parts += [_url(kind, fields[kind], place) for kind in _URL_FIELDS if kind in fields]
    template = fields.get("urlPathTemplate")
    for field in _MAP_FIELDS:
        asked = fields.get(field, {})
        if not isinstance(asked, Mapping):
            raise ConfigError("give names and operators", f"/{field}")
        if field == "pathParameters" and asked and template is None:
            raise ConfigError("give urlPathTemplate too", f"/{field}")
        parts += [_named(field, name, operator, place, template) for name, operator in asked.items()]
    return RequestPattern((*parts, *_bodies(fields.get("bodyPatterns", []), place)))


def _known_fields(given: object, place: OperandContext) -> dict[str, Any]:
    """Return the fields of a pattern without those that are null, as if they were not there."""
    if not isinstance(given, Mapping):
        raise ConfigError("give a request pattern, such as {}", "/")
    for key, value in given.items():
        if key not in _FIELDS and not (value is None and key in _OTHER_FIELDS):
            raise ConfigError(f"not supported here; a pattern has {', '.join(_FIELDS)}", place.at(key).pointer)
    fields = {key: value for key, value in given.items() if value is not None}
    urls = [key for key in fields if key in _URL_FIELDS]
    if len(urls) > 1:
        raise ConfigError(f"give one of {', '.join(urls)}", f"/{urls[1]}")
    return fields


def _bodies(given: object, place: OperandContext) -> list[StrictModel]:
    if not isinstance(given, list):
        raise ConfigError("give a list of operators", "/bodyPatterns")
    parts = []
    for number, operator in enumerate(given):
        matcher = parse_matcher(operator, place.at("bodyPatterns", number))
        parts.append(_part(f"bodyPatterns[{number}]", matcher, _body_of)._replace(is_of_body=True))
    return parts


def _body_of(exchange: Exchange) -> list[str]:
    return [exchange.body_text] if exchange.body else []


def _method(given: object) -> StrictModel:
    if isinstance(given, str):
        allowed = {"GET", "HEAD"} if given.upper() == "GET_OR_HEAD" else {given.upper()}
        said = mask_text(given)
        if given.upper() == "ANY":
            return StrictModel("method", "ANY", lambda exchange: [exchange.method], lambda _exchange: True)
        return StrictModel(
            "method",
            said,
            lambda exchange: [exchange.method],
            lambda exchange: exchange.method.upper() in allowed,
            said,
        )
    if isinstance(given, Mapping) and len(given) == 1:
        [(operator, names)] = given.items()
        if operator in ("oneOf", "noneOf") and isinstance(names, list) and all(isinstance(name, str) for name in names):
            among = {name.upper() for name in names}
            wanted = operator == "oneOf"
            return StrictModel(
                "method",
                mask_text(f"{operator} {', '.join(names)}"),
                lambda exchange: [exchange.method],
                lambda exchange: (exchange.method.upper() in among) is wanted,
            )
    raise ConfigError('give a method, ANY, {"oneOf": […]} or {"noneOf": […]}', "/method")


def _url(kind: str, given: object, place: OperandContext) -> StrictModel:
    if not isinstance(given, str):
        raise ConfigError("give text", f"/{kind}")

    def of_url(exchange: Exchange) -> list[str]:
        return [exchange.url]

    def of_path(exchange: Exchange) -> list[str]:
        return [exchange.path]

    values = of_url if kind in ("url", "urlPattern") else of_path
    if kind in ("urlPattern", "urlPathPattern"):
        expression = regular_expression(given, f"/{kind}")
        return StrictModel(kind, given, values, lambda exchange: bool(expression.fullmatch(values(exchange)[0])), given)
    operand = Operand(given, place._replace(mask_text=mask_url))
    if kind == "urlPathTemplate":
        template_expression(given)
        return StrictModel(
            kind, operand.shown, values, lambda exchange: _fitting(operand, exchange) is not None, operand.shown
        )
    return StrictModel(
        kind, operand.shown, values, lambda exchange: values(exchange)[0] in operand.forms(exchange), operand.shown
    )


def _fitting(template: Operand, exchange: Exchange) -> re.Match[str] | None:
    """Return how the path of `exchange` fits a template."""
    matches = (template_expression(form).fullmatch(exchange.path) for form in template.forms(exchange))
    return next(filter(None, matches), None)


def template_expression(template: str) -> re.Pattern[str]:
    """Return what matches the paths of a template such as `/audience/{id}`, with a group for each of its names.

    Raises:
        ConfigError: a name stands twice.
    """
    names = re.findall(r"\{([^{}/]+)\}", template)
    if len(set(names)) < len(names):
        raise ConfigError("a name stands twice", "/urlPathTemplate")
    return compile_path_template(template)


def _path_values(template: str, name: str, place: OperandContext) -> Callable[[Exchange], list[str]]:
    names = re.findall(r"\{([^{}/]+)\}", template)
    if name not in names:
        raise ConfigError("urlPathTemplate has no such name", place.pointer)
    group = names.index(name) + 1
    operand = Operand(template, place._replace(mask_text=mask_url))

    def values(exchange: Exchange) -> list[str]:
        match = _fitting(operand, exchange)
        return [match[group]] if match else []

    return values


def _named(field: str, name: str, operator: object, place: OperandContext, template: str | None) -> StrictModel:
    here = place.at(field, name)
    values: Callable[[Exchange], list[str]]
    if field == "headers":
        values = partial(Exchange.header_values, name=name)
        if name.lower() in CREDENTIAL_HEADERS or name.lower() == "cookie":
            shown = partial(place.credentials.mask_header, name)
            here = here._replace(header=name, is_secret=True, mask_text=shown)
    elif field == "cookies":
        values = partial(_value_of, Exchange.cookies, name)
        if place.credentials.is_session_cookie(name):
            here = here._replace(is_secret=True, mask_text=lambda text, _token: mask_token(text))
    elif field == "queryParameters":
        values = partial(_value_of, Exchange.query_parameters, name)
    else:
        values = _path_values(template or "", name, here)
    return _several(mask_text(f"{field}.{name}"), operator, here, values)


def _value_of(read: Callable[[Exchange], dict[str, list[str]]], name: str, exchange: Exchange) -> list[str]:
    return read(exchange).get(name, [])


def _several(
    field: str, operator: object, place: OperandContext, values: Callable[[Exchange], list[str]]
) -> StrictModel:
    """Return what is asked of a name that may have several values: that one is so, or each of a list is found."""
    if isinstance(operator, Mapping) and len(operator) == 1:
        [(kind, operands)] = operator.items()
        if kind in ("hasExactly", "includes"):
            if not isinstance(operands, list):
                raise ConfigError("give a list of operators", place.at(kind).pointer)
            matchers = [parse_matcher(operand, place.at(kind, n)) for n, operand in enumerate(operands)]
            return _all_of(field, kind, matchers, values)
    return _part(field, parse_matcher(operator, place), values)


def _all_of(field: str, kind: str, matchers: list[Matcher], values: Callable[[Exchange], list[str]]) -> StrictModel:
    def test(exchange: Exchange) -> bool:
        found = values(exchange)
        if not found or (kind == "hasExactly" and len(found) != len(matchers)):
            return False
        return all(any(matcher.test(value, exchange) for value in found) for matcher in matchers)

    return StrictModel(field, f"{kind} {', '.join(matcher.said for matcher in matchers)}", values, test)


def _part(field: str, matcher: Matcher, values: Callable[[Exchange], list[str]]) -> StrictModel:
    def test(exchange: Exchange) -> bool:
        found = values(exchange)
        return any(matcher.test(value, exchange) for value in found) if found else matcher.test(None, exchange)

    return StrictModel(field, matcher.said, values, test, matcher.wanted)


def mask_pattern(given: Any, credentials: Credentials) -> Any:  # noqa: ANN401 - any JSON
    """Return a pattern that could be parsed as it may be shown: without a credential."""
    shown = _each_text(given, mask_text)
    for name, operator in (given.get("headers") or {}).items():
        shown["headers"][mask_text(name)] = _each_text(
            operator, partial(_shown_operand, name, credentials), _CREDENTIAL_FREE_OPERATORS
        )
    for name, operator in (given.get("cookies") or {}).items():
        if credentials.is_session_cookie(name):
            shown["cookies"][mask_text(name)] = _each_text(operator, mask_token, _CREDENTIAL_FREE_OPERATORS)
    return shown


def _shown_operand(name: str, credentials: Credentials, text: str) -> str:
    is_part_of_cookies = name.lower() == "cookie" and text and "=" not in text
    return mask_token(text) if is_part_of_cookies else credentials.mask_header(name, text)


def _each_text(given: Any, change: Callable[[str], str], unchanged: Container[str] = ()) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(given, str):
        return change(given)
    if isinstance(given, dict):
        return {
            mask_text(key): _each_text(value, mask_text if key in unchanged else change, unchanged)
            for key, value in given.items()
        }
    if isinstance(given, list):
        return [_each_text(value, change, unchanged) for value in given]
    return given
