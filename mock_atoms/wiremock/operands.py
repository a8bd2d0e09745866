"""Operands of operators, compared with the request journal, in which credentials are masked."""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from mock_atoms.core.http_text import unquote
from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.masking import mask_text
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import RequestHead
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.steps import StepCounter

_SEPARATORS = (r"\s", r"\s\"',", r"\s\"',&?=:/;{}\[\]()<>")
_WORDS = [re.compile(f"[^{separators}]+") for separators in _SEPARATORS]
_WORD_STEPS = 3  # to find and digest a word, or to mask a key
_MAX_UNCOUNTED_LENGTH = 500
"""Length of the values of a header that may be searched without counting steps."""
_MAX_MASKED_FORMS = 16
"""Number of masked forms that an operand keeps. Each is as long as its text, and a text may have thousands of keys."""


class OperandContext(NamedTuple):
    """The place of an operator in a pattern.

    Attributes:
        pointer: JSON pointer to the operator.
        credentials: digests and masks credentials.
        steps: counts the work to parse the pattern.
        mask_text: masks a text as the journal does at this place, given the caller's token if it is in the text.
        header: name of the header that the operator is about, if the header carries credentials.
        is_secret: whether the value contains a credential, so that the journal has it masked.
    """

    pointer: str
    credentials: Credentials
    steps: StepCounter
    mask_text: Callable[[str, str | None], str] = mask_text
    header: str = ""
    is_secret: bool = False

    def at(self, *keys: object) -> "OperandContext":
        """Return the context of a value inside this one."""
        return self._replace(pointer=self.pointer + format_pointer(keys))

    def error(self, problem: str) -> ConfigError:
        """Return an error that points here."""
        return ConfigError(problem, self.pointer or "/")


def words_of(text: str) -> set[str]:
    """Return the parts of a text that may be the caller's token, which the journal masks."""
    words = {text}
    for pattern in _WORDS:
        words.update(pattern.findall(text))
    words.update(map(unquote, re.findall("[^?&=/]+", text)), re.findall("(?<==)[^&]+", text))
    return words


class Operand:
    """A text that a value is compared with.

    Args:
        text: the text.
        context: its place in the pattern.

    Attributes:
        text: the text.
        masked: the text with credentials masked.
    """

    def __init__(self, text: str, context: OperandContext) -> None:
        context.steps.count_steps(10 + len(text) // 16)
        context.steps.count_steps(_WORD_STEPS * (len(_WORDS[-1].findall(text)) + text.count("sk_")))
        self.text = text
        self._words_by_digest = {context.credentials.digest(word): word for word in words_of(text)}
        self._has_no_word_of = self._words_by_digest.keys().isdisjoint
        self._digest = context.credentials.digest(text)
        self._credential_digests = context.credentials.digests_in(context.header, text)
        self._mask = lru_cache(_MAX_MASKED_FORMS)(partial(context.mask_text, text))
        self.masked = context.mask_text(text, None)
        self._common_forms = [*dict.fromkeys((text, self.masked))]

    def forms(self, candidate: Candidate) -> list[str]:
        """Return the forms that the text can have in the journal entry of `candidate`."""
        digests_of_request = candidate.exchange.head.credential_digests
        if self._has_no_word_of(digests_of_request):
            candidate.count_steps(3)
            return self._common_forms
        digests = self._words_by_digest.keys() & digests_of_request
        candidate.count_steps(3 + len(digests) * len(self.text) // 10)
        tokens = sorted(self._words_by_digest[digest] for digest in digests)
        return [*dict.fromkeys((self.text, self.masked, *map(self._mask, tokens)))]

    def may_be_in(self, header: str, head: RequestHead) -> bool:
        """Return whether a value of a request header may contain a form of the text. Faster than `forms`.

        It counts no steps: it returns `True` without a search if the values are long.
        """
        if not self._has_no_word_of(head.credential_digests):
            return True
        forms = self._common_forms
        length = 0
        for name, value in head.headers:  # plain loops: this runs for each exchange of a scan
            if name == header:
                length += len(value)
                if length > _MAX_UNCOUNTED_LENGTH:
                    return True
                for form in forms:
                    if form in value:
                        return True
        return False

    def has_secrets_of(self, candidate: Candidate) -> bool:
        """Return whether `candidate` was sent with all credentials in the text. Equal masks alone do not prove it."""
        return self._credential_digests.issubset(candidate.exchange.head.credential_digests)

    def is_secret_of(self, candidate: Candidate) -> bool:
        """Return whether the complete text is a credential that `candidate` was sent with."""
        return self._digest in candidate.exchange.head.credential_digests
