"""WireMock's operators, such as `{"equalTo": "x"}`: conditions on one value."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from mock_atoms.core.masking import MAGIC_PREFIX, MAX_QUOTED_LENGTH, mask_token, quote_value, show_text
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.regex import Regex, RegexError, UnsupportedSyntaxError
from mock_atoms.wiremock.candidate import NOT_JSON, Candidate
from mock_atoms.wiremock.json_matching import MAX_PATTERN_DEPTH, JsonEquality, size_problem
from mock_atoms.wiremock.json_path import MaskedJsonPath
from mock_atoms.wiremock.operands import Operand, OperandContext

ValueTest = Callable[[str | None, Candidate], bool]


class Matcher(NamedTuple):
    """An operator with its operand.

    Attributes:
        description: the operator in words, credentials masked.
        matches: whether a value of a candidate matches; the value is `None` if it is absent.
        expected: the text that the value is compared with, if it is one; near misses are measured by it.
        contained: the text, a form of which each value that matches contains, if there is one.
    """

    description: str
    matches: ValueTest
    expected: str | None = None
    contained: Operand | None = None


def parse_matcher(value: object, context: OperandContext) -> Matcher:
    """Parse an operator.

    Raises:
        ConfigError: the operator is invalid or not supported.
    """
    context.steps.count_steps(_OPERATOR_STEPS)
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


def _quote(text: str, context: OperandContext) -> str:
    context.steps.count_steps(min(len(text), MAX_QUOTED_LENGTH) // 4)
    return quote_value(text)


def _equal_to(fields: Mapping[str, Any], context: OperandContext) -> Matcher:
    text = _text(fields, "equalTo", context)
    operand = Operand(text, context)
    fold = str.lower if fields.get("caseInsensitive") else str
    folded_text = fold(text)

    def matches(value: str | None, candidate: Candidate) -> bool:
        if value is None:
            return False
        candidate.count_steps(1 + len(value) // 500)
        folded = fold(value)
        if folded == folded_text:
            return True
        if context.is_secret:
            is_sent = operand.has_secrets_of(candidate) if context.header else operand.is_secret_of(candidate)
            if not is_sent:
                return False
        return folded in map(fold, operand.forms(candidate))

    name = "equalTo (caseInsensitive)" if fields.get("caseInsensitive") else "equalTo"
    contained = None if context.is_secret or fields.get("caseInsensitive") else operand
    return Matcher(f"{name} {_quote(operand.masked, context)}", matches, operand.masked, contained)


def _contains(fields: Mapping[str, Any], context: OperandContext, *, operator: str = "contains") -> Matcher:
    text = _text(fields, operator, context)
    operand = Operand(text, context)
    masked_token = mask_token(text)
    # Part of a cookie without its name could be any part of a session key.
    masked = masked_token if context.header.lower() == "cookie" and text and "=" not in text else operand.masked

    def matches(value: str | None, candidate: Candidate) -> bool:
        if value is None:
            return False
        for form in operand.forms(candidate):  # noqa: SIM110 - faster than `any`, for each exchange of a scan
            if candidate.contains(value, form):
                return True
        return False

    def matches_secret(value: str | None, candidate: Candidate) -> bool:
        if value is None:
            return False
        candidate.count_steps(6 + (len(text) + len(value)) // 100)
        return (
            candidate.contains(value if "…" in text else _MASK.sub("…", value), text)
            or (
                bool(context.header) and operand.has_secrets_of(candidate) and candidate.contains(value, operand.masked)
            )
            or (operand.is_secret_of(candidate) and candidate.contains(value, masked_token))
        )

    description = f"{operator} {_quote(masked, context)}"
    if context.is_secret:
        return Matcher(description, matches_secret, masked)
    return Matcher(description, matches, masked, operand)


def _matches(fields: Mapping[str, Any], context: OperandContext, *, operator: str = "matches") -> Matcher:
    text = _text(fields, operator, context)
    if context.is_secret and not _CREDENTIAL_FREE.fullmatch(text):
        raise context.at(operator).error(
            "credentials are masked, so that only expressions such as 'Bearer .+' are supported: "
            "use equalTo or contains with the complete credential"
        )
    regex = parse_regex(
        text,
        context.at(operator),
        for_keys="use equalTo or contains with the complete key",
        for_unsupported="join simpler expressions with and, or and not",
    )
    return Matcher(
        f"{operator} {_quote(text, context)}",
        lambda value, candidate: value is not None and is_full_match(regex, value, candidate),
    )


def parse_regex(text: str, context: OperandContext, *, for_keys: str, for_unsupported: str) -> Regex:
    """Return the regular expression of a pattern. As in WireMock, the dot matches line ends.

    Args:
        text: the expression.
        context: its place in the pattern.
        for_keys: what to write at this place instead of an expression with a key.
        for_unsupported: what to write at this place instead of an expression that RE2 does not support.

    Raises:
        ConfigError: the expression is invalid, not supported, or contains a key.
    """
    if _KEY_IN_EXPRESSION.search(text):
        raise context.error(f"keys are masked: {for_keys}")
    try:
        regex = Regex(text, is_dot_all=True)
    except UnsupportedSyntaxError as error:
        raise context.error(f"{error}: {for_unsupported}") from None
    except RegexError as error:
        raise context.error(str(error)) from None
    context.steps.count_steps(_REGEX_STEPS + regex.size // 2)
    return regex


def is_full_match(regex: Regex, value: str, candidate: Candidate) -> bool:
    """Return whether the complete value matches."""
    candidate.count_steps(regex.steps(value))
    return regex.fullmatch(value)


_OPERATOR_STEPS = 20
_REGEX_STEPS = 500
_MASK = re.compile("…#[0-9a-f]{6}")
_KEY_IN_EXPRESSION = re.compile(rf"(?!{MAGIC_PREFIX})sk_[\w-]{{4,}}")
_CREDENTIAL_FREE = re.compile(r"\^?(\w+( |\\s|\\s\+))?(\.\*|\.\+|\\S\+|\\S\*)\$?")


def _inverted(matcher: Matcher, description: str = "") -> Matcher:
    return Matcher(description or matcher.description, lambda value, candidate: not matcher.matches(value, candidate))


def _absent(_fields: Mapping[str, Any], _context: OperandContext) -> Matcher:
    return Matcher("absent", lambda value, _candidate: value is None)


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
        f"({description})", lambda value, candidate: join(matcher.matches(value, candidate) for matcher in inner)
    )


def _equal_to_json(fields: Mapping[str, Any], context: OperandContext) -> Matcher:
    here = context.at("equalToJson")
    try:
        text = _json_operand(fields["equalToJson"], here)
    except ConfigError:
        raise
    except UnicodeEncodeError:
        raise here.error("not JSON: half of a surrogate pair, which UTF-8 cannot encode") from None
    except (ValueError, RecursionError) as error:
        raise here.error(f"not JSON: {error}") from None
    operand = Operand(text, here)
    equal = JsonEquality(
        ignore_array_order=bool(fields.get("ignoreArrayOrder")),
        ignore_extra_elements=bool(fields.get("ignoreExtraElements")),
    )
    values: dict[str, list[Any]] = {}

    def matches(value: str | None, candidate: Candidate) -> bool:
        actual = candidate.json(value)
        if actual is NOT_JSON:
            return False
        forms = operand.forms(candidate)
        for form in forms:
            candidate.count_steps(10 + len(form) // 50)
            if form not in values:
                values[form] = _parse_valid_json(form)
        return any(equal(expected, actual, candidate) for form in forms for expected in values[form])

    return Matcher(f"equalToJson {show_text(operand.masked)}", matches, operand.masked)


def _json_operand(expected: object, context: OperandContext) -> str:
    """Return the JSON to compare with, which may be in a string."""
    if isinstance(expected, str):
        expected = json.loads(expected)
    if problem := size_problem(expected, MAX_PATTERN_DEPTH):
        raise context.error(problem)
    text = json.dumps(expected, ensure_ascii=False, allow_nan=False)
    text.encode()
    if "${json-unit." in text:
        raise context.error("${json-unit.…} placeholders are not supported: use matchesJsonPath")
    return text


def _parse_valid_json(text: str) -> list[Any]:
    """Return a list of the value of a text, empty if it is not JSON. A masked number makes it invalid."""
    with suppress(ValueError):
        return [json.loads(text)]
    return []


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
    json_path = MaskedJsonPath(path, here)

    def matches(value: str | None, candidate: Candidate) -> bool:
        return any(is_match(found, candidate) for found in json_path.find(value, candidate))

    def is_match(found: list[Any], candidate: Candidate) -> bool:
        if inner is None:
            return bool(found) and not (json_path.is_single and found[0] in (None, [], {}))
        if json_path.is_single and found and isinstance(found[0], list) and not is_json:
            found = found[0]
        elif not json_path.is_single and is_json:
            found = [found]
        texts = (_json_text(item, candidate) for item in found if item is not None)
        if any(inner.matches(text, candidate) for text in texts):
            return True
        is_absent = all(item is None for item in found)
        return is_absent and inner.description == "absent" and inner.matches(None, candidate)

    description = f"matchesJsonPath {_quote(json_path.masked, context)}"
    return Matcher(f"{description} {inner.description}" if inner else description, matches)


def _json_text(value: object, candidate: Candidate) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    candidate.count_steps(1 + len(text) // 20)
    return text


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
