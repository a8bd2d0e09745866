"""Eligibility of requests for the response cache."""

from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.journal.exchange import WEIGHT_UNIT, RequestContext

MAX_HEAD_BYTES = 8_000
"""Size limit of request heads on the fast path, as the journal estimates it."""


def is_cacheable(context: RequestContext, *, by_digest: bool = False) -> bool:
    """Return whether the response cache may serve the request of `context`.

    By content, a request must:

    - be a GET below the base path,
    - come from an authenticated caller,
    - have no credential in its URL.

    By digest, which is the fast path, it must also:

    - come from the mock's own server, over HTTP/1.1, on a connection that stays open and keeps its protocol,
    - have no body and no `Origin` header,
    - have a head of at most `MAX_HEAD_BYTES` bytes,
    - have no source of faults: no rule that matches, no magic key with a fault, no `Prefer` fault,
    - get a response that the mock does not mark with a reason.

    Only complete responses with status 200 and at most `MAX_RESPONSE_BYTES` bytes are cached.
    """
    head = context.exchange.head
    is_by_content = (
        head.method == "GET"
        and context.api_path is not None
        and isinstance(context.caller, AuthenticatedCaller)
        and not context.has_credential_in_url
    )
    if not is_by_content or not by_digest:
        return is_by_content
    return (
        context.received is not None
        and context.received.is_connection_reusable
        and not head.has_body
        and not context.exchange.header_values("origin")
        and head.weight * WEIGHT_UNIT <= MAX_HEAD_BYTES
        and not context.may_be_faulted
        and context.exchange.reason is None
    )
