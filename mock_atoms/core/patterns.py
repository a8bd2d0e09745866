r"""Patterns of tokens, ids, hosts, origins and cookies, with an error message each.

None repeats a class of Unicode, such as `\w`, a number of times: pydantic would need 50 ms and 9 MiB for it.
"""

from mock_atoms.core.http_text import HTTP_NAME
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
STORE_PREFIX = r"^[A-Za-z0-9_.:-]{1,100}$"
COOKIE = rf"^{HTTP_NAME.pattern}$"
METHOD = r"^[A-Za-z]+$"
PATH = r"^/\S*$"
DIGEST = r"^[0-9a-f]{32}$"
DIGEST_OR_EMPTY = r"^([0-9a-f]{32})?$"
LABEL = rf"^(-|{MASKED_TOKEN.removeprefix('^').removesuffix('$')})$"
"""A masked token, or `-` for none."""
RULE_ID = r"^[\x21-\x2b\x2d-\x7e]{1,200}$"
PATTERN_ERRORS = {
    TOKEN: "a token is one word of visible ASCII, without commas",
    MASKED_TOKEN: "a token is one word of visible ASCII, without commas; a masked one is like sk_live_ab…#1f3a9c",
    ORIGIN: "an origin looks like https://app.test, without a path or trailing slash; * and localhost are allowed too",
    HOST: "write an address or a name, such as ::1 or localhost, without a port, a path or brackets",
    STORE: "write memory, or a URL that starts with redis://, rediss://, valkey://, valkeys:// or unix://",
    STORE_PREFIX: "a prefix has up to 100 ASCII letters, digits and any of _ . : -",
    COOKIE: "a cookie's name has no spaces and none of ( ) < > @ , ; : \\ / [ ] ? = { }",
    NOT_BLANK: "an id must not be blank",
    METHOD: "a method has letters only, such as GET",
    PATH: "a path starts with a slash and has no spaces, such as /audience/{id}",
    DIGEST_OR_EMPTY: "a digest has 32 lower-case hexadecimal digits, or none for requests without a token",
    LABEL: "a masked token is like sk_live_ab…#1f3a9c, or - for requests without a token",
    DIGEST: "a digest has 32 lower-case hexadecimal digits",
    RULE_ID: "an id of a rule has up to 200 visible ASCII characters, without commas",
    OBJECT_ID: "an id is 24 lower-case hexadecimal digits",
}
"""What is wrong with a text that does not match, by pattern."""
