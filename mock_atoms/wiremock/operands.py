"""Operands of operators, compared with the request journal, in which credentials are masked."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.masking import mask_text
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange


class OperandContext(NamedTuple):
    """The place of an operator in a pattern.

    Attributes:
        pointer: JSON pointer to the operator.
        credentials: digests and masks credentials.
        mask_text: masks a text as the journal does at this place, given the caller's token if it is in the text.
        header: name of the header that the operator is about, if the header carries credentials.
        is_secret: whether the value contains a credential, so that the journal has it masked.
    """

    pointer: str
    credentials: Credentials
    mask_text: Callable[[str, str | None], str] = mask_text
    header: str = ""
    is_secret: bool = False

    def at(self, *keys: object) -> "OperandContext":
        """Return the context of a value inside this one."""
        return self._replace(pointer=self.pointer + format_pointer(keys))

    def error(self, problem: str) -> ConfigError:
        """Return an error that points here."""
        return ConfigError(problem, self.pointer or "/")


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
        self.text = text
        self._context = context
        words = {text}
        for separators in (r"\s", r"\s\"',", r"\s\"',&?=:/;{}\[\]()<>"):
            words.update(re.findall(f"[^{separators}]+", text))
        words.update(map(unquote, re.findall("[^?&=/]+", text)), re.findall("(?<==)[^&]+", text))
        self._words_by_digest = {context.credentials.digest(word): word for word in words}
        self._secrets = context.credentials.secrets_in(context.header, text)
        self.masked = context.mask_text(text, None)

    def forms(self, exchange: Exchange) -> set[str]:
        """Return the forms that the text can have in the journal entry of `exchange`."""
        digests = self._words_by_digest.keys() & exchange.head.secrets
        tokens = (self._words_by_digest[digest] for digest in digests)
        return {self.text, self.masked, *(self._context.mask_text(self.text, token) for token in tokens)}

    def has_secrets_of(self, exchange: Exchange) -> bool:
        """Return whether `exchange` was sent with all credentials in the text. Equal masks alone do not prove it."""
        return self._secrets <= exchange.head.secrets

    def is_secret_of(self, exchange: Exchange) -> bool:
        """Return whether the complete text is a credential that `exchange` was sent with."""
        return self._context.credentials.digest(self.text) in exchange.head.secrets
