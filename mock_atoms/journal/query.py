"""Queries of the request journal, as data."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from mock_atoms.core.http_text import PathTemplate
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import digest_test_id
from mock_atoms.journal.calls import has_succeeded
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange

IndexKeys = frozenset[bytes]
"""Alternative keys of exchanges in the index of the journal, see `RequestHead.index_keys`."""
KeySets = tuple[IndexKeys, ...]
"""Sets of keys. Exchanges that a query may match have at least one key of each set. No set: any exchange."""

_EXCHANGES_PER_PAUSE = 16


@dataclass(frozen=True)
class JournalQuery:
    """Selects exchanges of the journal. `None` matches any.

    Attributes:
        credential_digest: digest of a token that the request was sent with, valid or not, see `Credentials.digest`.
        test_digest: digest of the test id.
        method: method, in any case.
        path: path with or without parameters, such as `/atoms/v1/audience/{id}`. A trailing slash makes no difference.
        statuses: status codes of the response; 0 is no response.
        is_unmatched: whether to select only requests to unknown routes.
        is_failed: whether to select only requests that ended without a complete, well-formed response below 400.
    """

    credential_digest: bytes | None = None
    test_digest: bytes | None = None
    method: str | None = None
    path: str | None = None
    statuses: range | None = None
    is_unmatched: bool = False
    is_failed: bool = False

    @classmethod
    def of_tenant(cls, credentials: Credentials, token: str | None, test_id: str | None) -> Self:
        """Return the query for the exchanges of a token, valid or not, and of a test."""
        return cls(
            credential_digest=None if token is None else credentials.digest(token),
            test_digest=None if test_id is None else digest_test_id(test_id),
        )

    @property
    def key_sets(self) -> KeySets:
        """The keys of the exchanges that may match."""
        digests = (self.test_digest, self.credential_digest)
        return tuple(frozenset({digest}) for digest in digests if digest is not None)

    @cached_property
    def _template(self) -> PathTemplate | None:
        return None if self.path is None else PathTemplate(self.path, trailing_slash=True)

    @property
    def depends_on_response(self) -> bool:
        """Whether an exchange in flight may begin or cease to match."""
        return self.statuses is not None or self.is_unmatched or self.is_failed

    def matches(self, exchange: Exchange) -> bool:
        """Return whether `exchange` has everything that the query asks for."""
        head = exchange.head
        return (
            (self.credential_digest is None or self.credential_digest in head.credential_digests)
            and self.test_digest in (None, head.tenant.test_digest)
            and (self.method is None or self.method.upper() == head.method.upper())
            and (self.statuses is None or exchange.status in self.statuses)
            and not (self.is_unmatched and exchange.is_matched)
            and not (self.is_failed and (exchange.ended is None or has_succeeded(exchange)))
            and (self._template is None or self._template.match(exchange.path) is not None)
        )

    def select(self, exchanges: Iterable[Exchange]) -> Steps[list[Exchange]]:
        """Return the exchanges that match, in their order."""
        selected = []
        for number, exchange in enumerate(exchanges):
            if self.matches(exchange):
                selected.append(exchange)
            if number % _EXCHANGES_PER_PAUSE == 0:
                yield
        return selected
