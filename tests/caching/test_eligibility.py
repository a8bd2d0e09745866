"""Which requests the response cache may serve."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mock_atoms.caching.eligibility import MAX_HEAD_BYTES, is_cacheable
from mock_atoms.core.tenancy import UnauthenticatedCaller, caller_for
from mock_atoms.journal.exchange import Exchange, ReceivedHead, RequestContext, RequestHead

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALLER = caller_for("sk_acme")
URL = "/atoms/v1/audience"
RECEIVED = ReceivedHead(b"digest", is_connection_reusable=True)


def request_context(method: str = "GET", *headers: tuple[str, str]) -> RequestContext:
    head = RequestHead(CALLER.tenant, (), method, URL, "http", "1.1", "x", headers)
    exchange = Exchange(head, NOON, 0.0, "", 0)
    return RequestContext(
        exchange, CALLER, URL, b"", "/audience", has_credential_in_url=False, received=RECEIVED, may_be_faulted=False
    )


def with_reason() -> RequestContext:
    context = request_context()
    context.exchange.reason = "unknown-magic-word"
    return context


NOT_CACHEABLE: dict[str, Callable[[], RequestContext]] = {
    "a HEAD request": lambda: request_context("HEAD"),
    "a path outside the base path": lambda: replace(request_context(), api_path=None),
    "an unauthenticated caller": lambda: replace(
        request_context(), caller=UnauthenticatedCaller("missing-credentials")
    ),
    "a credential in the URL": lambda: replace(request_context(), has_credential_in_url=True),
}
NOT_ON_FAST_PATH: dict[str, Callable[[], RequestContext]] = {
    "another server": lambda: replace(request_context(), received=None),
    "a connection that closes": lambda: replace(
        request_context(), received=ReceivedHead(b"", is_connection_reusable=False)
    ),
    "a body of known length": lambda: request_context("GET", ("content-length", "2")),
    "a body in chunks": lambda: request_context("GET", ("transfer-encoding", "chunked")),
    "a browser": lambda: request_context("GET", ("origin", "http://localhost:3000")),
    "a long head": lambda: request_context("GET", ("a", "x" * MAX_HEAD_BYTES)),
    "a source of faults": lambda: replace(request_context(), may_be_faulted=True),
    "a marked response": with_reason,
}


@pytest.mark.parametrize("context", NOT_CACHEABLE.values(), ids=NOT_CACHEABLE)
def test_the_cache_never_serves(context: Callable[[], RequestContext]) -> None:
    assert not is_cacheable(context())
    assert not is_cacheable(context(), by_digest=True)


@pytest.mark.parametrize("context", NOT_ON_FAST_PATH.values(), ids=NOT_ON_FAST_PATH)
def test_the_cache_serves_only_by_content(context: Callable[[], RequestContext]) -> None:
    assert is_cacheable(context())
    assert not is_cacheable(context(), by_digest=True)


@pytest.mark.parametrize("headers", [(), (("content-length", "0"),), (("accept", "*/*"), ("prefer", "wait=1"))])
def test_the_fast_path_serves_a_plain_get(headers: tuple[tuple[str, str], ...]) -> None:
    assert is_cacheable(request_context("GET", *headers), by_digest=True)
