"""What a request pattern asks of one value: WireMock's operators, such as `{"equalTo": "x"}`."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from mock_atoms.journal import Entry, Journal
from mock_atoms.settings import ConfigError
from mock_atoms.tokens import mask, redact

_DEEPEST = 40
Test = Callable[[str | None, Entry], bool]


class Place(NamedTuple):
    """Where in a pattern an operator stands.

    Attributes:
        pointer: JSON pointer to it.
        journal: what tells credentials.
        header: the header it is about, where it is about one.
        secret: whether the value is a credential, and kept masked.
        body: whether it is about the body, which is empty where it is absent.
    """

    pointer: str
    journal: Journal
    header: str = ""
    secret: bool = False
    body: bool = False

    def at(self, *parts: object) -> "Place":
        """Return the place below this one."""
        return self._replace(pointer=self.pointer + "".join(f"/{_escaped(str(part))}" for part in parts))


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


class Matcher(NamedTuple):
    """An operator with its operand.

    Attributes:
        said: it in words, credentials masked.
        test: whether a value, `None` where it is absent, of an entry is as it asks.
        wanted: the text it asks for, where it is one, to tell how near a value is.
    """

    said: str
    test: Test
    wanted: str | None = None


def parse_matcher(given: object, place: Place) -> Matcher:
    """Parse an operator.

    Raises:
        ConfigError: names what is wrong with it by JSON pointer.
    """
    if not isinstance(given, Mapping):
        raise ConfigError('give an operator such as {"equalTo": "…"}', place.pointer)
    if place.pointer.count("/") > _DEEPEST:
        raise ConfigError("nested too deeply", place.pointer)
    named = [key for key in given if key in _OPERATORS]
    unknown = [key for key in given if key not in _OPERATORS and not any(key in _OPTIONS.get(op, ()) for op in named)]
    if unknown:
        known = ", ".join(_OPERATORS)
        raise ConfigError(f"no such operator or option here; there are {known}", place.at(unknown[0]).pointer)
    if len(named) != 1:
        raise ConfigError("give one operator; join several with and", place.pointer)
    operator = named[0]
    for option in _OPTIONS.get(operator, ()):
        if not isinstance(given.get(option, False), bool):
            raise ConfigError("give true or false", place.at(option).pointer)
    if place.secret and operator in _NOT_OF_SECRETS:
        raise ConfigError("credentials are kept masked: use equalTo or contains", place.at(operator).pointer)
    return _OPERATORS[operator](given, place)


def _text(given: Mapping[str, Any], operator: str, place: Place) -> str:
    operand = given[operator]
    if not isinstance(operand, str):
        raise ConfigError("give text", place.at(operator).pointer)
    return operand


def _shown(text: str, place: Place) -> str:
    if not place.secret:
        return redact(text)
    return place.journal.shown_header(place.header, text) if place.header else mask(text)


def _forms(text: str) -> tuple[str, ...]:
    """Return how `text` may stand in what is kept: as it is, without keys, or, where it is a token, masked."""
    return tuple({text, redact(text), mask(text)}) if text else ("",)


def _equal_to(given: Mapping[str, Any], place: Place) -> Matcher:
    text = _text(given, "equalTo", place)
    fold = str.lower if given.get("caseInsensitive") else str
    shown = _shown(text, place)
    forms = {fold(form) for form in _forms(text)}
    digests = place.journal.digests_of(text)

    def test(value: str | None, entry: Entry) -> bool:
        if value is None:
            return False
        if place.secret:
            return fold(value) == fold(text) or (fold(value) == fold(shown) and not digests.isdisjoint(entry.secrets))
        return fold(value) in forms

    said = "equalTo (caseInsensitive)" if given.get("caseInsensitive") else "equalTo"
    return Matcher(f"{said} {shown!r}", test, shown)


def _contains(given: Mapping[str, Any], place: Place, *, operator: str = "contains") -> Matcher:
    text = _text(given, operator, place)
    forms = _forms(text)
    digests = place.journal.digests_of(text)

    def test(value: str | None, entry: Entry) -> bool:
        if value is None:
            return False
        if place.secret:
            return text in value or not digests.isdisjoint(entry.secrets)
        return any(form in value for form in forms)

    return Matcher(f"{operator} {_shown(text, place)!r}", test, _shown(text, place))


def _matches(given: Mapping[str, Any], place: Place, *, operator: str = "matches") -> Matcher:
    text = _text(given, operator, place)
    if place.secret and not _HARMLESS.fullmatch(text):
        raise ConfigError(
            "credentials are kept masked, and an expression such as 'Bearer .+' is all that can be told of them: "
            "use equalTo or contains with the whole credential",
            place.at(operator).pointer,
        )
    try:
        expression = re.compile(text, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"not a regular expression: {error}", place.at(operator).pointer) from None
    return Matcher(
        f"{operator} {redact(text)!r}", lambda value, _entry: value is not None and bool(expression.fullmatch(value))
    )


_HARMLESS = re.compile(r"\^?((?P<scheme>\w+)( |\\s|\\s\+))?(\.\*|\.\+|\\S\+|\\S\*)\$?")


def _inverted(matcher: Matcher, said: str = "") -> Matcher:
    return Matcher(said or matcher.said, lambda value, entry: not matcher.test(value, entry))


def _absent(_given: Mapping[str, Any], place: Place) -> Matcher:
    if place.body:
        return Matcher("absent", lambda value, _entry: not value)
    return Matcher("absent", lambda value, _entry: value is None)


def _not(given: Mapping[str, Any], place: Place) -> Matcher:
    inner = parse_matcher(given["not"], place.at("not"))
    return _inverted(inner, f"not {inner.said}")


def _joined(given: Mapping[str, Any], place: Place, *, operator: str) -> Matcher:
    operands = given[operator]
    if not isinstance(operands, list) or not operands:
        raise ConfigError("give a list of operators", place.at(operator).pointer)
    inner = [parse_matcher(operand, place.at(operator, number)) for number, operand in enumerate(operands)]
    join = all if operator == "and" else any
    said = f" {operator} ".join(matcher.said for matcher in inner)
    return Matcher(f"({said})", lambda value, entry: join(matcher.test(value, entry) for matcher in inner))


def _equal_to_json(given: Mapping[str, Any], place: Place) -> Matcher:
    wanted = given["equalToJson"]
    if isinstance(wanted, str):
        try:
            wanted = json.loads(wanted)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"not JSON: {error}", place.at("equalToJson").pointer) from None
    try:
        text = redact(json.dumps(wanted, ensure_ascii=False))
        wanted = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON: {error}", place.at("equalToJson").pointer) from None
    if "${json-unit." in text:
        raise ConfigError(
            "there are no ${json-unit.…} placeholders here: use matchesJsonPath", place.at("equalToJson").pointer
        )
    equal = JsonEquality(
        ignore_array_order=given.get("ignoreArrayOrder", False),
        ignore_extra_elements=given.get("ignoreExtraElements", False),
    )

    def test(value: str | None, _entry: Entry) -> bool:
        try:
            return value is not None and equal(wanted, json.loads(value))
        except (ValueError, RecursionError):
            return False

    return Matcher(f"equalToJson {text}", test, text)


class JsonEquality(NamedTuple):
    """Tells whether two JSON values are the same.

    Attributes:
        ignore_array_order: whether the order of a list's items does not matter.
        ignore_extra_elements: whether the second value may have keys and items besides those of the first.
    """

    ignore_array_order: bool = False
    ignore_extra_elements: bool = False

    def __call__(self, wanted: object, given: object) -> bool:
        """Compare. 1 and 1.0 are different, and so are 1 and true."""
        if isinstance(wanted, dict) and isinstance(given, dict):
            extra = given.keys() - wanted.keys()
            return (
                wanted.keys() <= given.keys()
                and (not extra or self.ignore_extra_elements)
                and all(self(value, given[key]) for key, value in wanted.items())
            )
        if isinstance(wanted, list) and isinstance(given, list):
            if len(wanted) > len(given) or (len(wanted) < len(given) and not self.ignore_extra_elements):
                return False
            if self.ignore_array_order:
                return self._each_finds_its_own(wanted, given)
            return all(self(want, item) for want, item in zip(wanted, given, strict=False))
        return type(wanted) is type(given) and wanted == given

    def _each_finds_its_own(self, wanted: list[object], given: list[object]) -> bool:
        """Tell whether each wanted item has one of the given for itself: a matching of a bipartite graph."""
        fits = [[self(want, item) for item in given] for want in wanted]
        owners: dict[int, int] = {}

        def place(want: int, tried: set[int]) -> bool:
            for item, fit in enumerate(fits[want]):
                if fit and item not in tried:
                    tried.add(item)
                    if item not in owners or place(owners[item], tried):
                        owners[item] = want
                        return True
            return False

        return all(place(want, set()) for want in range(len(wanted)))


def _matches_json_path(given: Mapping[str, Any], place: Place) -> Matcher:
    import jsonpath  # noqa: PLC0415 - takes a while, and few patterns need it

    operand = given["matchesJsonPath"]
    here = place.at("matchesJsonPath")
    inner: Matcher | None = None
    is_json = False
    if isinstance(operand, Mapping):
        rest = {key: value for key, value in operand.items() if key != "expression"}
        inner = parse_matcher(rest, here)
        is_json = "equalToJson" in rest
        operand, here = operand.get("expression"), here.at("expression")
    if not isinstance(operand, str):
        raise ConfigError("give a JSONPath such as $.name", here.pointer)
    try:
        path = jsonpath.compile(operand)
        single = isinstance(path, jsonpath.JSONPath) and path.singular_query()
    except (jsonpath.JSONPathError, ValueError, RecursionError) as error:
        raise ConfigError(f"not a JSONPath: {error}", here.pointer) from None

    def test(value: str | None, entry: Entry) -> bool:
        try:
            found = path.findall(json.loads(value or ""))
        except (jsonpath.JSONPathError, ValueError, RecursionError):
            return False
        if inner is None:
            return any(item is not None for item in found) if single else bool(found)
        if single and found and isinstance(found[0], list) and not is_json:
            found = found[0]
        elif not single and is_json:
            found = [found]
        texts: list[str | None] = [_json_text(item) for item in found if item is not None]
        return any(inner.test(text, entry) for text in texts or ([None] if inner.said == "absent" else []))

    said = f"matchesJsonPath {redact(operand)!r}"
    return Matcher(f"{said} {inner.said}" if inner else said, test)


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_OPERATORS: dict[str, Callable[[Mapping[str, Any], Place], Matcher]] = {
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
