"""Conditions of request patterns: each tests one field of an exchange."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeGuard

from mock_atoms.core.http_text import HTTP_NAME, PATH_PARAMETER, PathTemplate
from mock_atoms.core.masking import mask_text, mask_token, show_text
from mock_atoms.journal.credentials import CREDENTIAL_HEADERS
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.operands import Operand, OperandContext
from mock_atoms.wiremock.operators import Matcher, is_full_match, parse_matcher, parse_regex

MAX_METHOD_LENGTH = 20
"""Maximum number of characters of a method in a pattern. The longest that the server accepts is UNSUBSCRIBE."""
URL_FIELDS = ("url", "urlPattern", "urlPath", "urlPathPattern", "urlPathTemplate")

Values = Callable[[Candidate], list[str]]


class Condition(NamedTuple):
    """One condition of a pattern.

    Attributes:
        field: the field that it tests, such as `headers.Accept`.
        description: the condition in words, credentials masked.
        values: returns the values that a candidate has in the field.
        is_met: returns whether a candidate meets the condition.
        expected: the text that the values are compared with, if it is one; near misses are measured by it.
        needs_body: whether it tests the body.
        header: lower-case name of the header that it tests; empty if it tests something else.
        contained: the text, a form of which a value contains if the condition is met, if there is one.
    """

    field: str
    description: str
    values: Values
    is_met: Callable[[Candidate], bool]
    expected: str | None = None
    needs_body: bool = False
    header: str = ""
    contained: Operand | None = None


def method_condition(value: object, context: OperandContext) -> Condition:
    """Return the condition of the field `method`."""
    if _is_method(value):
        if value.upper() == "ANY":
            return Condition("method", "ANY", _method, lambda _candidate: True)
        allowed = {"GET", "HEAD"} if value.upper() == "GET_OR_HEAD" else {value.upper()}
        return Condition(
            "method",
            value,
            _method,
            lambda candidate: candidate.exchange.method.upper() in allowed,
            value,
        )
    if isinstance(value, Mapping) and len(value) == 1:
        [(operator, names)] = value.items()
        if operator in ("oneOf", "noneOf") and isinstance(names, list) and all(map(_is_method, names)):
            methods = {name.upper() for name in names}
            is_one_of = operator == "oneOf"
            return Condition(
                "method",
                f"{operator} {', '.join(names)}",
                _method,
                lambda candidate: (candidate.exchange.method.upper() in methods) is is_one_of,
            )
    examples = f'such as GET (at most {MAX_METHOD_LENGTH} letters), ANY, {{"oneOf": ["GET"]}} or {{"noneOf": ["GET"]}}'
    raise context.at("method").error(f"expected a method {examples}")


def _is_method(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or len(value) > MAX_METHOD_LENGTH:
        return False
    return HTTP_NAME.fullmatch(value) is not None and mask_text(value) == value  # no key, which would be shown


def _method(candidate: Candidate) -> list[str]:
    return [candidate.exchange.method]


def url_condition(field: str, value: object, context: OperandContext) -> Condition:
    """Return the condition of one of `URL_FIELDS`."""
    if not isinstance(value, str):
        raise context.at(field).error("expected a string")

    def url(candidate: Candidate) -> str:
        return candidate.exchange.url if field in ("url", "urlPattern") else candidate.exchange.path

    def urls(candidate: Candidate) -> list[str]:
        return [url(candidate)]

    if field in ("urlPattern", "urlPathPattern"):
        regex = parse_regex(
            value,
            context.at(field),
            for_keys="use url or urlPath with the complete key",
            for_unsupported="write a simpler one, or use urlPathTemplate with pathParameters and queryParameters",
        )
        description = show_text(value)
        return Condition(
            field, description, urls, lambda candidate: is_full_match(regex, url(candidate), candidate), value
        )
    operand = Operand(value, context)
    if field == "urlPathTemplate":
        names = _parameter_names(value)
        if len(set(names)) < len(names):
            raise context.at(field).error("a parameter name is duplicated")
        try:
            template = _Template(operand)
        except ValueError as error:
            raise context.at(field).error(str(error)) from None
        return Condition(
            field,
            show_text(operand.masked),
            urls,
            lambda candidate: template.values(candidate) is not None,
            operand.masked,
        )
    return Condition(
        field,
        show_text(operand.masked),
        urls,
        lambda candidate: url(candidate) in operand.forms(candidate),
        operand.masked,
    )


def _parameter_names(template: str) -> list[str]:
    return [parameter[1:-1] for parameter in PATH_PARAMETER.findall(template)]


class _Template:
    """A path template. Each of its forms is parsed once.

    Raises:
        ValueError: it is invalid.
    """

    def __init__(self, operand: Operand) -> None:
        self._operand = operand
        self._templates = {operand.text: PathTemplate(operand.text)}

    def values(self, candidate: Candidate) -> list[str] | None:
        """Return the values of its parameters, or `None` if the path does not match."""
        path = candidate.exchange.path
        for form in self._operand.forms(candidate):
            candidate.count_steps(1 + len(form) // 5 + len(path) // 500)
            if form not in self._templates:
                self._templates[form] = PathTemplate(form)
            values = self._templates[form].match(path)
            if values is not None:
                return values
        return None


def named_condition(
    field: str, name: str, operator: object, context: OperandContext, template: str | None
) -> Condition:
    """Return the condition on one header, cookie, query parameter or path parameter of `template`."""
    here = context.at(field, name)
    values: Values
    lower_name = name.lower()
    if field == "headers":
        values = _header_values(lower_name)
        if lower_name in CREDENTIAL_HEADERS or lower_name == "cookie":
            mask_header = partial(context.credentials.mask_header, name)
            here = here._replace(header=name, is_secret=True, mask_text=mask_header)
    elif field == "cookies":
        values = partial(_values_of, lambda candidate: candidate.cookies, name)
        if context.credentials.is_session_cookie(name):
            here = here._replace(is_secret=True, mask_text=lambda text, _token: mask_token(text))
    elif field == "queryParameters":
        values = partial(_values_of, lambda candidate: candidate.query_parameters, name)
    else:
        values = _path_values(template or "", name, here)
    condition = _values_condition(show_text(f"{field}.{name}"), operator, here, values)
    return condition._replace(header=lower_name) if field == "headers" else condition


def _header_values(lower_name: str) -> Values:
    def values(candidate: Candidate) -> list[str]:  # not a `partial`, which is slower to call for each exchange
        return candidate.header_values(lower_name)

    return values


def _values_of(read: Callable[[Candidate], dict[str, list[str]]], name: str, candidate: Candidate) -> list[str]:
    return read(candidate).get(name, [])


def _path_values(template: str, name: str, context: OperandContext) -> Values:
    names = _parameter_names(template)
    if name not in names:
        raise context.error("urlPathTemplate has no parameter of this name")
    position = names.index(name)
    parsed = _Template(Operand(template, context))

    def values(candidate: Candidate) -> list[str]:
        found = parsed.values(candidate)
        return [] if found is None else [found[position]]

    return values


def _values_condition(field: str, operator: object, context: OperandContext, values: Values) -> Condition:
    """Return a condition on a field that may have several values. WireMock has two operators just for these."""
    if isinstance(operator, Mapping) and len(operator) == 1:
        [(name, operands)] = operator.items()
        if name in ("hasExactly", "includes"):
            if not isinstance(operands, list):
                raise context.at(name).error("expected a list of operators")
            matchers = [parse_matcher(operand, context.at(name, number)) for number, operand in enumerate(operands)]
            return _all_matchers_condition(field, name, matchers, values)
    return _matcher_condition(field, parse_matcher(operator, context), values)


def _all_matchers_condition(field: str, operator: str, matchers: list[Matcher], values: Values) -> Condition:
    def is_met(candidate: Candidate) -> bool:
        actual = values(candidate)
        if not actual or (operator == "hasExactly" and len(actual) != len(matchers)):
            return False
        return all(any(matcher.matches(value, candidate) for value in actual) for matcher in matchers)

    description = f"{operator} {', '.join(matcher.description for matcher in matchers)}"
    return Condition(field, description, values, is_met)


def _matcher_condition(field: str, matcher: Matcher, values: Values) -> Condition:
    matches = matcher.matches

    def is_met(candidate: Candidate) -> bool:
        # Plain loops: this runs for each exchange of a scan.
        actual = values(candidate)
        for value in actual:
            if matches(value, candidate):
                return True
        return not actual and matches(None, candidate)

    return Condition(field, matcher.description, values, is_met, matcher.expected, contained=matcher.contained)


def body_conditions(value: object, context: OperandContext) -> list[Condition]:
    """Return the conditions of the field `bodyPatterns`."""
    if not isinstance(value, list):
        raise context.at("bodyPatterns").error("expected a list of operators")
    conditions = []
    for number, operator in enumerate(value):
        matcher = parse_matcher(operator, context.at("bodyPatterns", number))
        conditions.append(_matcher_condition(f"bodyPatterns[{number}]", matcher, _body)._replace(needs_body=True))
    return conditions


def _body(candidate: Candidate) -> list[str]:
    return candidate.body
