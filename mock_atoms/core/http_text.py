"""Text in HTTP messages: path templates, query strings, cookies and bytes of unknown encoding."""

import re
from urllib.parse import parse_qs

PATH_PARAMETER = re.compile(r"\{[^{}/]+\}")
"""A parameter in a path template, such as `{id}`."""


def compile_path_template(template: str, *, trailing_slash: bool = False) -> re.Pattern[str]:
    """Return the pattern of the paths that match a template such as `/audience/{id}`, with a group per parameter.

    Args:
        template: literal text and `{name}` for exactly one path segment.
        trailing_slash: whether a trailing slash may follow.
    """
    literals = PATH_PARAMETER.split(template.rstrip("/") if trailing_slash else template)
    return re.compile("([^/]+)".join(map(re.escape, literals)) + ("/?" if trailing_slash else ""))


def parse_query(text: str) -> dict[str, list[str]]:
    """Return the decoded values of each parameter of a query string or URL-encoded form, empty ones included."""
    return parse_qs(text, keep_blank_values=True)


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Return the name and value of each cookie in a `Cookie` header, in order.

    Values lose surrounding spaces and quotes but stay percent-encoded. Unlike `http.cookies`, one malformed pair
    does not drop the others: Express ignores it too.
    """
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [(name.strip(), value.strip().strip('"')) for name, equals, value in pairs if equals]


def decode_text(data: bytes) -> str:
    """Return `data` as text: UTF-8 if it is valid, otherwise Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
