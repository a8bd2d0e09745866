"""Text in HTTP messages: headers, path templates, query strings, cookies and bytes of unknown encoding."""

import re
from binascii import a2b_qp
from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]
"""Header names and values, as in ASGI."""
MAX_REQUEST_HEAD_BYTES = 64 * 1024
"""Size limit of a request line with its headers."""
MAX_QUERY_PARAMETERS = 1_000
"""Number of parameters that are read of a query string or a URL-encoded form. Express ignores the others too."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Methods that clients usually send."""
HTTP_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a method, a header or a cookie: a `token` of RFC 9110, section 5.6.2."""
PATH_PARAMETER = re.compile(r"\{[^{}/]+\}")
"""A parameter in a path template, such as `{id}`."""
_MALFORMED_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ADJACENT_PARAMETERS = re.compile(rf"({PATH_PARAMETER.pattern})({PATH_PARAMETER.pattern})")


class PathTemplate:
    """A template such as `/audience/{id}`. Each parameter is one or more characters of one path segment.

    Args:
        text: literal text and parameters.
        trailing_slash: whether a trailing slash may follow.

    Raises:
        ValueError: two parameters are adjacent, so that the end of the first one is unknown.
    """

    def __init__(self, text: str, *, trailing_slash: bool = False) -> None:
        if adjacent := _ADJACENT_PARAMETERS.search(text):
            first, second = adjacent.groups()
            raise ValueError(f"{first}{second} has no text between its parameters: write one such as {first}-{second}")
        text = text.rstrip("/") if trailing_slash else text
        self._start = PATH_PARAMETER.split(text)[0]
        self._segments = [PATH_PARAMETER.split(segment) for segment in text.split("/")]
        self._trailing_slash = trailing_slash

    def match(self, path: str) -> list[str] | None:
        """Return the values of the parameters in order, or `None` if `path` does not match.

        Parameters take as much text as they can, the first ones first.
        """
        if not path.startswith(self._start):
            return None
        segments = path.split("/", len(self._segments))
        if self._trailing_slash and len(segments) > 1 and not segments[-1]:
            segments.pop()
        if len(segments) != len(self._segments):
            return None
        values: list[str] = []
        for literals, segment in zip(self._segments, segments, strict=True):
            found = _match_segment(literals, segment)
            if found is None:
                return None
            values += found
        return values


def _match_segment(literals: list[str], segment: str) -> list[str] | None:
    """Return the texts between `literals`, the first ones as long as possible, or `None` without a match."""
    if len(literals) == 1:
        return [] if segment == literals[0] else None
    first, *inner, last = literals
    if not (segment.startswith(first) and segment.endswith(last)):
        return None
    # Backwards, so that the first occurrence is the right one: `str.find` is linear, `str.rfind` is not.
    text = segment[len(first) : len(segment) - len(last)][::-1]
    values, start = [], 0
    for literal in reversed(inner):
        end = text.find(literal[::-1], start + 1)
        if end < 0:
            return None
        values.append(text[start:end][::-1])
        start = end + len(literal)
    return [text[start:][::-1], *reversed(values)] if start < len(text) else None


def parse_query(text: str) -> dict[str, list[str]]:
    """Return the decoded values of each parameter of a query string or URL-encoded form, empty ones included.

    Parameters after the first `MAX_QUERY_PARAMETERS` are ignored.
    """
    values: dict[str, list[str]] = {}
    for parameter in text.split("&", MAX_QUERY_PARAMETERS)[:MAX_QUERY_PARAMETERS]:
        if parameter:
            name, _, value = parameter.replace("+", " ").partition("=")
            values.setdefault(unquote(name), []).append(unquote(value))
    return values


def unquote(text: str) -> str:
    """Decode the percent-encoded UTF-8 of `text`, like `urllib.parse.unquote` but in linear time.

    Invalid bytes and half surrogate pairs become U+FFFD. Malformed escapes stay as they are.
    """
    if "%" not in text:
        return text
    text = _MALFORMED_ESCAPE.sub("%25", text)
    # Quoted-printable has the same escapes, but with another sign.
    data = text.replace("=", "=3D").replace("%", "=").encode(errors="surrogatepass")
    return a2b_qp(data).decode(errors="replace")


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Return the name and value of each cookie in a `Cookie` header, in order.

    Values lose surrounding spaces and quotes but stay percent-encoded. Unlike `http.cookies`, one malformed pair
    does not drop the others: Express ignores it too.
    """
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [(name.strip(), value.strip().strip('"')) for name, equals, value in pairs if equals]


def cookie_values(header: str, name: str) -> list[str]:
    """Return the values of one cookie in a `Cookie` header. Faster than `parse_cookies`."""
    pairs = ";".join([pair for pair in header.split(";") if name in pair])
    return [value for cookie, value in parse_cookies(pairs) if cookie == name]


def decode_text(data: bytes) -> str:
    """Return `data` as text: UTF-8 if it is valid, otherwise Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
