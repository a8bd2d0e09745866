"""The index keys that a request pattern requires, so that only exchanges with these keys are compared with it."""

from collections.abc import Mapping
from typing import Any

from mock_atoms.core.masking import mask_text
from mock_atoms.core.tenancy import TEST_ID_HEADER, digest_test_id
from mock_atoms.journal.credentials import CREDENTIAL_HEADERS, Credentials
from mock_atoms.journal.query import IndexKeys, KeySets
from mock_atoms.wiremock.operands import words_of

_MAX_LENGTH = 300
"""A longer test id is not looked up: it is masked once for each of its words."""
_MAX_WORDS = 50
"""A test id with more words is not looked up: each of them could be a token, which is masked."""


def required_key_sets(headers: Mapping[str, Any], credentials: Credentials) -> KeySets:
    """Return the keys that the field `headers` of a valid request pattern requires.

    Only `equalTo` requires a key, on a test id or on a header whose value is a credential. The first key of each
    header is enough, however many spellings of its name there are.
    """
    key_sets: dict[str, IndexKeys] = {}
    for name, operator in headers.items():
        text, lower_name = operator.get("equalTo"), name.lower()
        if text is not None and not operator.get("caseInsensitive") and lower_name not in key_sets:
            keys = _keys_of(lower_name, text, credentials)
            if keys is not None:
                key_sets[lower_name] = keys
    return tuple(key_sets.values())


def _keys_of(name: str, text: str, credentials: Credentials) -> IndexKeys | None:
    """Return keys such that each exchange whose header `name` equals `text` has one of them; `None` if unknown."""
    if name == TEST_ID_HEADER.decode():
        if len(text) > _MAX_LENGTH or len(words := words_of(text)) > _MAX_WORDS:
            return None
        forms = {text, mask_text(text), *(mask_text(text, word) for word in words)}
        return frozenset(map(digest_test_id, forms))
    if name in CREDENTIAL_HEADERS and "…" not in text:  # a mask is equal to those of many credentials
        return credentials.digests_in(name, text)
    return None
