"""Patterns of tokens, ids, hosts, origins and cookies, with an error message each."""

from mock_atoms.core.masking import MAGIC_PREFIX, MAX_MAGIC_KEY_LENGTH, MAX_VISIBLE_CHARACTERS, TOKEN_PATTERN

OBJECT_ID = r"^[0-9a-f]{24}$"
TOKEN = f"^{TOKEN_PATTERN}$"
MASKED_TOKEN = (
    rf"^([\x21-\x2b\x2d-\x7e]{{0,{MAX_VISIBLE_CHARACTERS}}}…#[0-9a-f]{{6}}"
    rf"|{MAGIC_PREFIX}[\x21-\x2b\x2d-\x7e]{{0,{MAX_MAGIC_KEY_LENGTH - len(MAGIC_PREFIX)}}})$"
)
"""Results of `masking.mask_token`: a masked token or a magic key."""
NOT_BLANK = r"\S"
ORIGIN = r"^(\*|localhost|[a-z][a-z0-9+.-]*://[^/\s]+)$"
HOST = r"^[^\s/\[\]]+$"
STORE = r"^(memory|(redis|rediss|valkey|valkeys|unix)://\S+)$"
STORE_PREFIX = r"^[\w.:-]{1,100}$"
COOKIE = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
PATTERN_ERRORS = {
    TOKEN: "a token is one word of visible ASCII, without commas",
    MASKED_TOKEN: "a token is one word of visible ASCII, without commas; a masked one is like sk_live_ab…#1f3a9c",
    ORIGIN: "an origin looks like https://app.test, without a path or trailing slash; * and localhost are allowed too",
    HOST: "write an address or a name, such as ::1 or localhost, without a port, a path or brackets",
    STORE: "write memory, or a URL that starts with redis://, rediss://, valkey://, valkeys:// or unix://",
    STORE_PREFIX: "a prefix has up to 100 letters, digits and any of _ . : -",
    COOKIE: "a cookie's name has no spaces and none of ( ) < > @ , ; : \\ / [ ] ? = { }",
    NOT_BLANK: "an id must not be blank",
    OBJECT_ID: "an id is 24 lower-case hexadecimal digits",
}
"""What is wrong with a text that does not match, by pattern."""
