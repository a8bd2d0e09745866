"""Regular expressions of users. RE2 matches them in linear time; no other module imports it."""

import re

MAX_REGEX_LENGTH = 1_000
MAX_REGEX_INSTRUCTIONS = 5_000
"""Maximum number of instructions of a compiled expression."""
MAX_REGEX_REPETITIONS = 1_000
MAX_UNICODE_CLASSES = 20
_MAX_REGEX_MEMORY = 2 * 1024 * 1024
_PART = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\[pP]\{\w*\}|\\u[0-9a-fA-F]{4}|\\."
    r"|\(\?(?:P=|<[=!]|[=!>(#])?|\[:\^?[a-z]+:\]|\[\^?\]?|\{\d+(?:,\d*)?\}|&&|.",
    re.DOTALL | re.ASCII,
)
_UNSUPPORTED_GROUPS = {
    "(?=": "lookahead",
    "(?!": "lookahead",
    "(?<=": "lookbehind",
    "(?<!": "lookbehind",
    "(?>": "an atomic group",
    "(?(": "a conditional group",
    "(?P=": "a backreference",
    "(?#": "a comment",
}
_ESCAPES = {r"\Z": r"\z", r"\e": r"\x1b", r"\R": r"(?:\r\n|[\n-\r\x{85}\x{2028}\x{2029}])"}
_POSIX_CLASSES = {
    *("lower", "upper", "ascii", "alpha", "digit", "alnum", "punct", "graph", "print", "blank", "cntrl", "xdigit"),
    "space",
}
_JAVA_CLASSES = {"IsAlphabetic": "L", "IsLetter": "L", "IsDigit": "Nd", "IsUppercase": "Lu", "IsLowercase": "Ll"}


class RegexError(ValueError):
    """An expression that is invalid, too large, or needs what RE2 does not support."""


class UnsupportedSyntaxError(RegexError):
    """An expression that needs what RE2 does not support. The field of the expression has an alternative."""


class Regex:
    r"""A regular expression in the syntax of RE2. Some spellings of Java are accepted: `\Z`, `\p{Alpha}`, `\u00e9`.

    Classes such as `\w` are ASCII. `$` is the end of the text.

    Args:
        pattern: the expression.
        is_dot_all: whether the dot matches line ends.

    Attributes:
        size: number of instructions. The duration of a match is limited by `size` times the length of the text.

    Raises:
        RegexError: says what is wrong.
    """

    def __init__(self, pattern: str, *, is_dot_all: bool = False) -> None:
        import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; slow to import

        if len(pattern) > MAX_REGEX_LENGTH:
            raise RegexError(f"{len(pattern):,} characters of a regular expression: at most {MAX_REGEX_LENGTH:,}")
        options = re2.Options()
        options.dot_nl, options.log_errors, options.never_capture = is_dot_all, False, True
        options.max_mem = _MAX_REGEX_MEMORY
        try:
            self._regex = re2.compile(_translate(pattern).encode(), options)
        except UnicodeEncodeError:
            raise RegexError("not a regular expression: half of a surrogate pair") from None
        except re2.error as error:
            raise RegexError(f"not a regular expression: {error.args[0].decode(errors='replace')}") from None
        re2.purge()  # its cache would keep the memory of each expression
        self.size: int = self._regex.programsize
        if self.size > MAX_REGEX_INSTRUCTIONS:
            raise RegexError(
                f"{self.size:,} instructions of RE2: at most {MAX_REGEX_INSTRUCTIONS:,}, so repeat less or "
                "use fewer classes"
            )

    def fullmatch(self, text: str) -> bool:
        """Return whether the complete text matches."""
        return self._regex.fullmatch(_encode(text)) is not None

    def search(self, text: str) -> bool:
        """Return whether a part of the text matches."""
        return self._regex.search(_encode(text)) is not None

    def steps(self, text: str) -> int:
        """Return an upper limit of the work to match `text`, in microseconds. Usual texts take a tenth of it."""
        return 2 + len(text) * (self.size + 110) // 1_000


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _translate(pattern: str) -> str:
    """Return `pattern` in the syntax of RE2.

    Raises:
        RegexError: RE2 does not support it, or would take long to compile it.
    """
    parts: list[str] = []
    is_in_class = False
    repetitions = unicode_classes = 0
    previous = ""
    for part in _PART.findall(pattern):
        if is_in_class:
            if part == "&&" or (part.startswith("[") and not part.startswith("[:")):
                raise RegexError(rf"`{part}` in a character class is not supported: write \[ and \& for the characters")
            is_in_class = part != "]"
        else:
            _check_support(part, previous)
            is_in_class = part.startswith("[")
            repetitions += max(map(int, re.findall(r"\d+", part)), default=0) if part.startswith("{") else 0
        unicode_classes += part[:2] in (r"\p", r"\P")
        parts.append(_translate_part(part, is_in_class=is_in_class))
        previous = part
    if repetitions > MAX_REGEX_REPETITIONS:
        raise RegexError(f"repetitions such as {{100}} add up to {repetitions:,}: at most {MAX_REGEX_REPETITIONS:,}")
    if unicode_classes > MAX_UNICODE_CLASSES:
        raise RegexError(rf"{unicode_classes} classes such as \p{{L}}: at most {MAX_UNICODE_CLASSES}")
    return "".join(parts)


def _check_support(part: str, previous: str) -> None:
    construct = _UNSUPPORTED_GROUPS.get(part)
    if part[0] == "\\" and part[1:2] in [*"123456789k"]:
        construct = "a backreference"
    if part == "+" and (previous in ("*", "+", "?") or (previous[:1] == "{" and len(previous) > 1)):
        construct, part = "a possessive quantifier", previous + part
    if construct:
        raise UnsupportedSyntaxError(f"{construct} `{part}` is not supported")


def _translate_part(part: str, *, is_in_class: bool) -> str:
    if part[:2] == r"\u" and len(part) > 2:  # noqa: PLR2004 - the escape alone
        return rf"\x{{{part[2:]}}}"
    if part == r"\h":
        return r" \t" if is_in_class else r"[ \t]"
    if part[:2] not in (r"\p", r"\P") or "{" not in part:
        return part if is_in_class else _ESCAPES.get(part, part)
    name = part[3:-1]
    if name.lower() in _POSIX_CLASSES:
        posix = f"[:{'^' if part[1] == 'P' else ''}{name.lower()}:]"
        return posix if is_in_class else f"[{posix}]"
    return f"{part[:3]}{_JAVA_CLASSES.get(name, name.removeprefix('Is'))}}}"
