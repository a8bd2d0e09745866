"""What a request pattern asks of one value: WireMock's operators, such as `{"equalTo": "x"}`."""

import json
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.masking import MAGIC_PREFIX, mask_text, mask_token
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.json_matching import JsonEquality, JsonPath, is_nested_too_deeply, readable

Test = Callable[[str | None, Exchange], bool]


class OperandContext(NamedTuple):
    """Where in a pattern an operator stands.

    Attributes:
        pointer: JSON pointer to it.
        credentials: what tells them.
        conceal: how a text is kept that stands there, given the caller's token where it is in the text.
        header: the header it is about, where that has credentials.
        is_secret: whether the value is or has a credential, which is always kept masked.
    """

    pointer: str
    credentials: Credentials
    mask_text: Callable[[str, str | None], str] = mask_text
    header: str = ""
    is_secret: bool = False

    def at(self, *parts: object) -> "OperandContext":
        """Return the place below this one."""
        return self._replace(pointer=self.pointer + format_pointer(parts))


class Operand:
    """A text that is asked for. In the journal it may stand otherwise: with the credentials in it masked.

    Args:
        text: the text.
        place: where it is asked for.

    Attributes:
        shown: it as it may be shown.
    """

    def __init__(self, text: str, place: OperandContext) -> None:
        self._text = text
        self._place = place
        words = {text}
        for separators in (r"\s", r"\s\"',", r"\s\"',&?=:/;{}\[\]()<>"):
            words.update(re.findall(f"[^{separators}]+", text))
        words.update(map(unquote, re.findall("[^?&=/]+", text)), re.findall("(?<==)[^&]+", text))
        self._words = {place.credentials.digest(word): word for word in words}
        self._needed = place.credentials.secrets_in(place.header, text)
        self.shown = place.mask_text(text, None)

    def forms(self, exchange: Exchange) -> set[str]:
        """Return how the text may stand in `exchange`."""
        tokens = (self._words[digest] for digest in self._words.keys() & exchange.head.secrets)
        return {self._text, self.shown, *(self._place.mask_text(self._text, token) for token in tokens)}

    def is_told_by(self, exchange: Exchange) -> bool:
        """Tell whether `exchange` was sent with all credentials of the text: a mask alone may be that of another."""
        return self._needed <= exchange.head.secrets

    def is_secret_of(self, exchange: Exchange) -> bool:
        """Tell whether the whole text is a credential that `exchange` was sent with."""
        return self._place.credentials.digest(self._text) in exchange.head.secrets


class Matcher(NamedTuple):
    """An operator with its operand.

    Attributes:
        said: it in words, credentials masked.
        test: whether a value, `None` where it is absent, of an exchange is as it asks.
        wanted: the text it asks for, where it is one, to tell how near a value is.
    """

    said: str
    test: Test
    wanted: str | None = None


def parse_matcher(given: object, place: OperandContext) -> Matcher:
    """Parse an operator.

    Raises:
        ConfigError: names what is wrong with it by JSON pointer.
    """
    if not isinstance(given, Mapping):
        raise ConfigError('give an operator such as {"equalTo": "…"}', place.pointer)
    named = [key for key in given if key in _OPERATORS]
    unknown = [key for key in given if key not in _OPERATORS and not any(key in _OPTIONS.get(op, ()) for op in named)]
    if unknown:
        known = ", ".join(_OPERATORS)
        raise ConfigError(f"no such operator or option here; there are {known}", place.at(unknown[0]).pointer)
    if len(named) != 1:
        raise ConfigError("give one operator; join several with and", place.pointer)
    operator = named[0]
    for option in _OPTIONS.get(operator, ()):
        if not isinstance(given.get(option), bool | None):
            raise ConfigError("give true or false", place.at(option).pointer)
    if place.is_secret and operator in _NOT_OF_SECRETS:
        raise ConfigError("credentials are kept masked: use equalTo or contains", place.at(operator).pointer)
    return _OPERATORS[operator](given, place)


def _text(given: Mapping[str, Any], operator: str, place: OperandContext) -> str:
    operand = given[operator]
    if not isinstance(operand, str):
        raise ConfigError("give text", place.at(operator).pointer)
    return operand


def _equal_to(given: Mapping[str, Any], place: OperandContext) -> Matcher:
    text = _text(given, "equalTo", place)
    operand = Operand(text, place)
    fold = str.lower if given.get("caseInsensitive") else str

    def test(value: str | None, exchange: Exchange) -> bool:
        if value is None:
            return False
        if fold(value) == fold(text):
            return True
        is_told = not place.is_secret or (
            operand.is_told_by(exchange) if place.header else operand.is_secret_of(exchange)
        )
        return is_told and fold(value) in map(fold, operand.forms(exchange))

    said = "equalTo (caseInsensitive)" if given.get("caseInsensitive") else "equalTo"
    return Matcher(f"{said} {operand.shown!r}", test, operand.shown)


def _contains(given: Mapping[str, Any], place: OperandContext, *, operator: str = "contains") -> Matcher:
    text = _text(given, operator, place)
    operand = Operand(text, place)
    # Of a credential, all that is no text of a header's may be one.
    shown = mask_token(text) if place.header.lower() == "cookie" and text and "=" not in text else operand.shown

    def test(value: str | None, exchange: Exchange) -> bool:
        if value is None:
            return False
        if not place.is_secret:
            return any(form in value for form in operand.forms(exchange))
        return (
            text in (value if "…" in text else _MASK.sub("…", value))
            or (operand.shown in value and bool(place.header) and operand.is_told_by(exchange))
            or (mask_token(text) in value and operand.is_secret_of(exchange))
        )

    return Matcher(f"{operator} {shown!r}", test, shown)


def _matches(given: Mapping[str, Any], place: OperandContext, *, operator: str = "matches") -> Matcher:
    text = _text(given, operator, place)
    if place.is_secret and not _HARMLESS.fullmatch(text):
        raise ConfigError(
            "credentials are kept masked, and an expression such as 'Bearer .+' is all that can be told of them: "
            "use equalTo or contains with the whole credential",
            place.at(operator).pointer,
        )
    expression = regular_expression(text, place.at(operator).pointer)
    return Matcher(
        f"{operator} {text!r}", lambda value, _exchange: value is not None and bool(expression.fullmatch(value))
    )


def regular_expression(text: str, pointer: str) -> re.Pattern[str]:
    """Compile an expression in which letters and digits are those of ASCII and the dot means line ends too, as there.

    Raises:
        ConfigError: it is none, means something else in Java, or asks for a key.
    """
    if _KEY_IN_EXPRESSION.search(text):
        raise ConfigError("keys are kept masked: use equalTo or contains with the whole key", pointer)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # sets in sets, which Java has and Python does not
            return re.compile(text, re.DOTALL | re.ASCII)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ConfigError(f"not a regular expression: {error}", pointer) from None


_MASK = re.compile("…#[0-9a-f]{6}")
_KEY_IN_EXPRESSION = re.compile(rf"(?!{MAGIC_PREFIX})sk_[\w-]{{4,}}")
_HARMLESS = re.compile(r"\^?(\w+( |\\s|\\s\+))?(\.\*|\.\+|\\S\+|\\S\*)\$?")


def _inverted(matcher: Matcher, said: str = "") -> Matcher:
    return Matcher(said or matcher.said, lambda value, exchange: not matcher.test(value, exchange))


def _absent(_given: Mapping[str, Any], _place: OperandContext) -> Matcher:
    return Matcher("absent", lambda value, _exchange: value is None)


def _not(given: Mapping[str, Any], place: OperandContext) -> Matcher:
    inner = parse_matcher(given["not"], place.at("not"))
    return _inverted(inner, f"not {inner.said}")


def _joined(given: Mapping[str, Any], place: OperandContext, *, operator: str) -> Matcher:
    operands = given[operator]
    if not isinstance(operands, list) or not operands:
        raise ConfigError("give a list of operators", place.at(operator).pointer)
    inner = [parse_matcher(operand, place.at(operator, number)) for number, operand in enumerate(operands)]
    join = all if operator == "and" else any
    said = f" {operator} ".join(matcher.said for matcher in inner)
    return Matcher(f"({said})", lambda value, exchange: join(matcher.test(value, exchange) for matcher in inner))


def _equal_to_json(given: Mapping[str, Any], place: OperandContext) -> Matcher:
    wanted, here = given["equalToJson"], place.at("equalToJson")
    if isinstance(wanted, str):
        try:
            wanted = json.loads(wanted)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"not JSON: {error}", here.pointer) from None
    if is_nested_too_deeply(wanted):
        raise ConfigError("nested too deeply", here.pointer)
    try:
        text = json.dumps(wanted, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ConfigError(f"not JSON: {error}", here.pointer) from None
    if "${json-unit." in text:
        raise ConfigError("there are no ${json-unit.…} placeholders here: use matchesJsonPath", here.pointer)
    operand = Operand(text, here)
    equal = JsonEquality(
        ignore_array_order=bool(given.get("ignoreArrayOrder")),
        ignore_extra_elements=bool(given.get("ignoreExtraElements")),
    )

    def test(value: str | None, exchange: Exchange) -> bool:
        try:
            sent = json.loads(value or "")
        except (ValueError, RecursionError):
            return False
        return any(equal(form, sent) for form in readable(operand.forms(exchange)))

    return Matcher(f"equalToJson {operand.shown}", test, operand.shown)


def _matches_json_path(given: Mapping[str, Any], place: OperandContext) -> Matcher:
    asked = given["matchesJsonPath"]
    here = place.at("matchesJsonPath")
    inner: Matcher | None = None
    is_json = False
    if isinstance(asked, Mapping):
        rest = {key: value for key, value in asked.items() if key != "expression"}
        inner = parse_matcher(rest, here)
        is_json = "equalToJson" in rest
        asked, here = asked.get("expression"), here.at("expression")
    if not isinstance(asked, str) or not asked:
        raise ConfigError("give a JSONPath such as $.name", here.pointer)
    operand = Operand(asked, here)
    single = JsonPath(asked, here.pointer).is_single
    paths = {operand.shown: JsonPath(operand.shown, here.pointer)}

    def test(value: str | None, exchange: Exchange) -> bool:
        forms = operand.forms(exchange)
        for form in forms - paths.keys():
            with suppress(ConfigError):  # a mask in the place of a number makes it none
                paths[form] = JsonPath(form, here.pointer)
        return any(is_met(paths[form].find(value), exchange) for form in forms & paths.keys())

    def is_met(found: list[Any], exchange: Exchange) -> bool:
        if inner is None:
            return bool(found) and not (single and found[0] in (None, [], {}))
        if single and found and isinstance(found[0], list) and not is_json:
            found = found[0]
        elif not single and is_json:
            found = [found]
        texts: list[str | None] = [_json_text(item) for item in found if item is not None]
        return any(inner.test(text, exchange) for text in texts or ([None] if inner.said == "absent" else []))

    said = f"matchesJsonPath {operand.shown!r}"
    return Matcher(f"{said} {inner.said}" if inner else said, test)


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_OPERATORS: dict[str, Callable[[Mapping[str, Any], OperandContext], Matcher]] = {
    "equalTo": _equal_to,
    "contains": _contains,
    "doesNotContain": lambda given, place: _inverted(_contains(given, place, operator="doesNotContain")),
    "matches": _matches,
    "doesNotMatch": lambda given, place: _inverted(_matches(given, place, operator="doesNotMatch")),
    "absent": _absent,
    "equalToJson": _equal_to_json,
    "matchesJsonPath": _matches_json_path,
    "not": _not,
    "and": partial(_joined, operator="and"),
    "or": partial(_joined, operator="or"),
}
_OPTIONS = {"equalTo": ("caseInsensitive",), "equalToJson": ("ignoreArrayOrder", "ignoreExtraElements")}
_NOT_OF_SECRETS = {"equalToJson", "matchesJsonPath"}
