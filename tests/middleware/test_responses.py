"""Which complete responses and response heads are kept for the next request."""

import pytest

from mock_atoms import Settings
from mock_atoms.journal.exchange import MAX_SHARED_HEAD_BYTES, RequestContext, ResponseHead
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.middleware.marks import ResponseMarker
from mock_atoms.middleware.responses import MAX_CACHED_ID_LENGTH
from mock_atoms.middleware.unrouted import UnroutedRequests
from mock_atoms.mock import MockAtoms


def unauthenticated(audience_id: str) -> RequestContext:
    path = f"/atoms/v1/audience/{audience_id}".encode()
    return MockAtoms(Settings()).request_reader.read(RawRequest("GET", path, b"", [], "http", "1.1", None, None))


@pytest.mark.parametrize(("length", "is_cached"), [(MAX_CACHED_ID_LENGTH, True), (MAX_CACHED_ID_LENGTH + 1, False)])
def test_errors_about_a_long_audience_id_are_not_cached(length: int, *, is_cached: bool) -> None:
    unrouted = UnroutedRequests(MockAtoms(Settings()))
    first, second = (unrouted.respond(unauthenticated("x" * length)) for _ in range(2))
    assert first == second
    assert (first is second) == is_cached


@pytest.mark.parametrize(("length", "is_shared"), [(900, True), (MAX_SHARED_HEAD_BYTES, False)])
def test_long_response_heads_are_not_shared(length: int, *, is_shared: bool) -> None:
    mock = MockAtoms(Settings())
    marker = ResponseMarker(mock.fault_engine, mock.fixtures, mock.journal.credentials)

    def head() -> ResponseHead:
        context = unauthenticated("a")
        marker.mark(context, 401, [(b"name", b"x" * length)])
        return context.exchange.response_head

    first, second = head(), head()
    assert first.headers == second.headers
    assert (first is second) == is_shared
