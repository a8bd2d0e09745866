"""WireMock's operators, such as `{"equalTo": "x"}`: conditions on one value."""

import json
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from mock_atoms.core.masking import MAGIC_PREFIX, mask_token
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.json_matching import TOO_DEEP, JsonEquality, JsonPath, is_nested_too_deeply, parse_valid_json
from mock_atoms.wiremock.operands import Operand, OperandContext

ValueTest = Callable[[str | None, Exchange], bool]


class Matcher(NamedTuple):
    """An operator with its operand.

    Attributes:
        description: the operator in words, credentials masked.
        matches: whether a value of an exchange matches; the value is `None` if it is absent.
        expected: the text that the value is compared with, if it is one; near misses are measured by it.
    """

    description: str
    matches: ValueTest
    expected: str | None = None


def parse_matcher(value: object, context: OperandContext) -> Matcher:
    """Parse an operator.

    Raises:
        ConfigError: the operator is invalid or not supported.
    """
    if not isinstance(value, Mapping):
        raise context.error('not an operator: write one such as {"equalTo": "…"}')
    operators = [key for key in value if key in _OPERATORS]
    options = {option for operator in operators for option in _OPTIONS.get(operator, ())}
    unknown = [key for key in value if key not in _OPERATORS and key not in options]
    if unknown:
        raise context.at(unknown[0]).error(f"unknown operator or option; the operators are {', '.join(_OPERATORS)}")
    if len(operators) != 1:
        raise context.error("expected one operator; join several with and")
    operator = operators[0]
    for option in _OPTIONS.get(operator, ()):
        if not isinstance(value.get(option), bool | None):
            raise context.at(option).error("expected true or false")
    if context.is_secret and operator in _UNSUPPORTED_FOR_SECRETS:
        raise context.at(operator).error("credentials are masked: use equalTo or contains")
    return _OPERATORS[operator](value, context)


def _text(fields: Mapping[str, Any], operator: str, context: OperandContext) -> str:
    text = fields[operator]
    if not isinstance(text, str):
        raise context.at(operator).error("expected a string")
    return text


def _equal_to(fields: Mapping[str, Any], context: OperandContext) -> Matcher:
    text = _text(fields, "equalTo", context)
    operand = Operand(text, context)
    fold = str.lower if fields.get("caseInsensitive") else str

    def matches(value: str | None, exchange: Exchange) -> bool:
        if value is None:
            return False
        if fold(value) == fold(text):
            return True
        if context.is_secret:
            is_sent = operand.has_secrets_of(exchange) if context.header else operand.is_secret_of(exchange)
            if not is_sent:
                return False
        return fold(value) in map(fold, operand.forms(exchange))

    name = "equalTo (caseInsensitive)" if fields.get("caseInsensitive") else "equalTo"
    return Matcher(f"{name} {operand.masked!r}", matches, operand.masked)


def _contains(fields: Mapping[str, Any], context: OperandContext, *, operator: str = "contains") -> Matcher:
    text = _text(fields, operator, context)
    operand = Operand(text, context)
    # Part of a cookie without its name could be any part of a session key.
    masked = mask_token(text) if context.header.lower() == "cookie" and text and "=" not in text else operand.masked

    def matches(value: str | None, exchange: Exchange) -> bool:
        if value is None:
            return False
        if not context.is_secret:
            return any(form in value for form in operand.forms(exchange))
        return (
            text in (value if "…" in text else _MASK.sub("…", value))
            or (operand.masked in value and bool(context.header) and operand.has_secrets_of(exchange))
            or (mask_token(text) in value and operand.is_secret_of(exchange))
        )

    return Matcher(f"{operator} {masked!r}", matches, masked)


def _matches(fields: Mapping[str, Any], context: OperandContext, *, operator: str = "matches") -> Matcher:
    text = _text(fields, operator, context)
    if context.is_secret and not _CREDENTIAL_FREE.fullmatch(text):
        raise context.at(operator).error(
            "credentials are masked, so that only expressions such as 'Bearer .+' are supported: "
            "use equalTo or contains with the complete credential"
        )
    expression = regular_expression(text, context.at(operator).pointer)
    return Matcher(
        f"{operator} {text!r}", lambda value, _exchange: value is not None and bool(expression.fullmatch(value))
    )


def regular_expression(text: str, pointer: str) -> re.Pattern[str]:
    """Compile an expression as WireMock does: character classes are ASCII, and the dot matches line ends.

    Raises:
        ConfigError: the expression is invalid, differs from Java's syntax, or contains a key.
    """
    if _KEY_IN_EXPRESSION.search(text):
        raise ConfigError("keys are masked: use equalTo or contains with the complete key", pointer)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # nested sets, which Java has and Python does not
            return re.compile(text, re.DOTALL | re.ASCII)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ConfigError(f"not a regular expression: {error}", pointer) from None


_MASK = re.compile("…#[0-9a-f]{6}")
_KEY_IN_EXPRESSION = re.compile(rf"(?!{MAGIC_PREFIX})sk_[\w-]{{4,}}")
_CREDENTIAL_FREE = re.compile(r"\^?(\w+( |\\s|\\s\+))?(\.\*|\.\+|\\S\+|\\S\*)\$?")


def _inverted(matcher: Matcher, description: str = "") -> Matcher:
    return Matcher(description or matcher.description, lambda value, exchange: not matcher.matches(value, exchange))


def _absent(_fields: Mapping[str, Any], _context: OperandContext) -> Matcher:
    return Matcher("absent", lambda value, _exchange: value is None)


def _not(fields: Mapping[str, Any], context: OperandContext) -> Matcher:
    inner = parse_matcher(fields["not"], context.at("not"))
    return _inverted(inner, f"not {inner.description}")


def _joined(fields: Mapping[str, Any], context: OperandContext, *, operator: str) -> Matcher:
    operands = fields[operator]
    if not isinstance(operands, list) or not operands:
        raise context.at(operator).error("expected a list of operators")
    inner = [parse_matcher(operand, context.at(operator, number)) for number, operand in enumerate(operands)]
    join = all if operator == "and" else any
    description = f" {operator} ".join(matcher.description for matcher in inner)
    return Matcher(
        f"({description})", lambda value, exchange: join(matcher.matches(value, exchange) for matcher in inner)
    )


def _equal_to_json(fields: Mapping[str, Any], context: OperandContext) -> Matcher:
    expected, here = fields["equalToJson"], context.at("equalToJson")
    if isinstance(expected, str):
        try:
            expected = json.loads(expected)
        except (ValueError, RecursionError) as error:
            raise here.error(f"not JSON: {error}") from None
    if is_nested_too_deeply(expected):
        raise here.error(TOO_DEEP)
    try:
        text = json.dumps(expected, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise here.error(f"not JSON: {error}") from None
    if "${json-unit." in text:
        raise here.error("${json-unit.…} placeholders are not supported: use matchesJsonPath")
    operand = Operand(text, here)
    equal = JsonEquality(
        ignore_array_order=bool(fields.get("ignoreArrayOrder")),
        ignore_extra_elements=bool(fields.get("ignoreExtraElements")),
    )

    def matches(value: str | None, exchange: Exchange) -> bool:
        try:
            actual = json.loads(value or "")
        except (ValueError, RecursionError):
            return False
        return any(equal(form, actual) for form in parse_valid_json(operand.forms(exchange)))

    return Matcher(f"equalToJson {operand.masked}", matches, operand.masked)


def _matches_json_path(fields: Mapping[str, Any], context: OperandContext) -> Matcher:
    path = fields["matchesJsonPath"]
    here = context.at("matchesJsonPath")
    inner: Matcher | None = None
    is_json = False
    if isinstance(path, Mapping):
        rest = {key: field for key, field in path.items() if key != "expression"}
        inner = parse_matcher(rest, here)
        is_json = "equalToJson" in rest
        path, here = path.get("expression"), here.at("expression")
    if not isinstance(path, str) or not path:
        raise here.error("expected a JSONPath such as $.name")
    operand = Operand(path, here)
    single = JsonPath(path, here.pointer).is_single
    paths = {operand.masked: JsonPath(operand.masked, here.pointer)}

    def matches(value: str | None, exchange: Exchange) -> bool:
        forms = operand.forms(exchange)
        for form in forms - paths.keys():
            with suppress(ConfigError):  # a masked number is no number
                paths[form] = JsonPath(form, here.pointer)
        return any(is_match(paths[form].find(value), exchange) for form in forms & paths.keys())

    def is_match(found: list[Any], exchange: Exchange) -> bool:
        if inner is None:
            return bool(found) and not (single and found[0] in (None, [], {}))
        if single and found and isinstance(found[0], list) and not is_json:
            found = found[0]
        elif not single and is_json:
            found = [found]
        texts: list[str | None] = [_json_text(item) for item in found if item is not None]
        return any(inner.matches(text, exchange) for text in texts or ([None] if inner.description == "absent" else []))

    description = f"matchesJsonPath {operand.masked!r}"
    return Matcher(f"{description} {inner.description}" if inner else description, matches)


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_OPERATORS: dict[str, Callable[[Mapping[str, Any], OperandContext], Matcher]] = {
    "equalTo": _equal_to,
    "contains": _contains,
    "doesNotContain": lambda fields, context: _inverted(_contains(fields, context, operator="doesNotContain")),
    "matches": _matches,
    "doesNotMatch": lambda fields, context: _inverted(_matches(fields, context, operator="doesNotMatch")),
    "absent": _absent,
    "equalToJson": _equal_to_json,
    "matchesJsonPath": _matches_json_path,
    "not": _not,
    "and": partial(_joined, operator="and"),
    "or": partial(_joined, operator="or"),
}
_OPTIONS = {"equalTo": ("caseInsensitive",), "equalToJson": ("ignoreArrayOrder", "ignoreExtraElements")}
_UNSUPPORTED_FOR_SECRETS = {"equalToJson", "matchesJsonPath"}
