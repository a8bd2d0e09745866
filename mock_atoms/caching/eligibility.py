"""Eligibility of requests for the response cache."""

from mock_atoms.contract.operations import EXPORT_LOGS, EXPORT_RESULTS
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.journal.exchange import RequestContext

_EXPORTS = {EXPORT_RESULTS.name, EXPORT_LOGS.name}


def is_cacheable(context: RequestContext) -> bool:
    """Return whether the response cache may serve the request of `context`.

    A request must:

    - be a GET below the base path,
    - come from an authenticated caller,
    - have no credential in its URL,
    - not export the results or the calls of a campaign: their times depend on the time of the request.

    Only complete responses with status 200 and at most `MAX_RESPONSE_BYTES` bytes are cached.
    """
    return (
        context.exchange.method == "GET"
        and context.api_path is not None
        and isinstance(context.caller, AuthenticatedCaller)
        and not context.has_credential_in_url
        and context.operation.name not in _EXPORTS
    )
