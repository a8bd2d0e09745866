"""Compares the memory in docs/limits.md with the code."""

import re
from typing import TYPE_CHECKING

import pytest

from mock_atoms.caching import response_cache
from mock_atoms.control.parsing import MAX_UNCONVERTED_BYTES
from mock_atoms.core.body_memory import MAX_BODIES_BYTES
from mock_atoms.core.settings import Settings
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.fixture_folder import MAX_LISTED_BYTES
from mock_atoms.data.fixtures import MAX_CACHED_AUDIENCES, Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.faults import rulebook
from mock_atoms.journal import events, memory_journal, request_reader
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.mock import MockAtoms
from mock_atoms.serving import connection_limits
from mock_atoms.state import memory_store
from mock_atoms.wiremock import stub_book
from tests.helpers.memory import allocated_bytes
from tests.helpers.snippets import ROOT

if TYPE_CHECKING:
    from mock_atoms.data.models import InitialData

PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Memory") : PAGE.index("## Connections")]
ROWS = dict(re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", SECTION, re.MULTILINE))
MIB = 1024 * 1024


def test_memory_limits_are_those_of_the_code_and_add_up() -> None:
    limits = {
        "the journal": memory_journal.MAX_JOURNAL_BYTES,
        "the tenants": memory_store.MAX_STORE_BYTES,
        "events": events.MAX_EVENT_BYTES,
        "fault rules": rulebook.MAX_RULES_BYTES,
        "stubs, approximately": stub_book.MAX_STUBS_BYTES,
        "rendered responses": response_cache.MAX_SIZE,
        "request heads on the fast path": response_cache.MAX_REPEATED_REQUESTS_SIZE,
        "unread responses and of received bytes that are not yet parsed": connection_limits.MAX_WAITING_BYTES,
        "connections, 16 KiB each": connection_limits.MAX_CONNECTIONS * connection_limits.CONNECTION_BYTES,
        "imported fixtures, approximately": MAX_UNCONVERTED_BYTES,
        "members that fixture files list, approximately": MAX_LISTED_BYTES,
        "request bodies in flight, with the values parsed from them and an imported state": MAX_BODIES_BYTES,
    }
    for name, size in limits.items():
        assert ROWS[f"memory of {name}"] == f"{size / MIB:g} MiB"
    sizes = [int(size) for size in re.findall(r"\| (\d+) MiB \|", SECTION)]
    assert ROWS["**sum**"] == f"**{sum(sizes):,} MiB**"


@pytest.mark.slow
@pytest.mark.parametrize(("cookies", "length"), [(1, 1_000), (3, 40)])
def test_cached_callers_fit_into_their_memory(cookies: int, length: int) -> None:
    mock = MockAtoms(Settings())

    def fill() -> None:
        for number in range(request_reader.MAX_IDENTITIES):
            headers = [(b"authorization", b"Bearer %d" % number), (b"x-test-id", b"%d" % number * 30)]
            headers += [(b"cookie", b"a" * length)] * cookies
            mock.request_reader.read(RawRequest("GET", b"/", b"", headers, "http", "1.1", None, None))

    limit = int(ROWS["memory of cached callers"].removesuffix(" MiB")) * MIB
    assert allocated_bytes(fill) <= limit
    assert len(mock.request_reader.clear()) == request_reader.MAX_IDENTITIES


@pytest.mark.slow
@pytest.mark.parametrize("token", ["sk_mock_many", "sk_mock_unicode", "sk_mock_sparse", "sk_acme"])
@pytest.mark.parametrize("locale", ["en_US", "ja_JP"])
def test_generated_audiences_fit_into_their_memory(token: str, locale: str) -> None:
    fixtures = Fixtures(Generator("atoms"), locale)
    fixtures.initial_data(caller_for("sk_first"))
    kept: list[InitialData] = []
    count = 3 if token == "sk_mock_many" else 100
    allocated = allocated_bytes(
        lambda: kept.extend(fixtures.initial_data(caller_for(f"{token}.{number}")) for number in range(count))
    )
    weights = sum(1 + len(data.audiences) for data in kept)
    limit = int(ROWS["memory of audiences kept after generation"].removesuffix(" MiB")) * MIB
    assert allocated / weights * MAX_CACHED_AUDIENCES <= limit
