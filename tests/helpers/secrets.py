"""Secrets in arbitrary encodings, and the search for them in what readers can see."""

import json
import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from urllib.parse import quote_plus, unquote, unquote_plus

from hypothesis import strategies as st

SUFFIXES = st.text("abcXYZ019_.+~-", min_size=6, max_size=20)
SECRETS = st.one_of(
    SUFFIXES.map("sk_live_{}".format), st.binary(min_size=12, max_size=16).map(lambda key: f"sk_{key.hex()}")
)
MAGIC_KEYS = SUFFIXES.filter(lambda suffix: "sk" not in suffix).map("sk_mock_{}".format)
PIECES = st.one_of(
    SECRETS,
    MAGIC_KEYS,
    st.sampled_from(["sk_", "mock_", "sk_mock_", "sk_mock_test", "s", "k", "a", "Z", "9", "_", "task", "sk_mock_500"]),
    st.sampled_from(
        [" ", "/", "?", "&", "&a=", "'", '"', "`", ", ", "; ", "(", "\n", "%", "%20", "\\", ".", ":", "=", "é"]
    ),
)
"""Text that may stand beside a secret."""

Encoding = Callable[[str], str]


def percent_encode(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def escape_as_json(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


ENCODINGS: st.SearchStrategy[list[Encoding]] = st.lists(
    st.sampled_from(
        [
            percent_encode,
            escape_as_json,
            quote_plus,
            lambda text: json.dumps(text)[1:-1],
            lambda text: text.replace("_", "%5F"),
            lambda text: text.replace("s", "\\u0073"),
            lambda text: text.replace("k", "%6b"),
        ]
    ),
    max_size=3,
)
"""Encodings to apply one after the other."""


def find_secret(secret: str, text: str) -> list[str]:
    """Return `text`, and what decoding it repeatedly gives, where it contains `secret`."""
    seen = {text}
    found = []
    texts = [text]
    while texts:
        current = texts.pop()
        if secret in current:
            found.append(current)
        for decode in _DECODINGS:
            decoded = decode(current)
            if decoded not in seen:
                seen.add(decoded)
                texts.append(decoded)
    return found


def _decode_base64(text: str) -> str:
    decoded = []
    for word in re.findall(r"[A-Za-z0-9+/_-]{8,}={0,2}", text):
        try:
            decoded.append(b64decode(word.replace("-", "+").replace("_", "/")).decode(errors="replace"))
        except Error:
            continue
    return "\n".join(decoded)


_DECODINGS: tuple[Encoding, ...] = (
    unquote,
    unquote_plus,
    lambda text: re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text),
    lambda text: re.sub(r"\\(.)", r"\1", text),
    _decode_base64,
)
