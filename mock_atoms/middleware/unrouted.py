"""Responses to unknown routes and to unauthenticated requests."""

import re
from functools import lru_cache
from html import escape
from http import HTTPStatus

from mock_atoms.contract.similar_operations import operation_at_end, similar_operation
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.control_access import control_access
from mock_atoms.core.tenancy import UnauthenticatedCaller
from mock_atoms.journal.exchange import OUTSIDE_BASE_PATH, UNMOCKED_ROUTE, RequestContext
from mock_atoms.middleware.responses import CompleteResponse, complete_response, documented_error
from mock_atoms.mock import MockAtoms

_PLAIN_PATH = re.compile(r"/[\w/.-]*", re.ASCII)
_MAX_COMPARED_LENGTH = 200
"""Maximum length of a path that is compared with those of the operations."""
_UNMET = "the request does not meet its other conditions, such as the token or the state of a scenario"
_SEE = "`mock-atoms requests --details` shows what differs, and GET /__admin/scenarios the states"
_STUB_DIFFERS = f"a stub has this method and path, but {_UNMET}: {_SEE}"


class UnroutedRequests:
    """Responds to unknown routes and to unauthenticated requests.

    Args:
        mock: the server: its settings and its stubs.
    """

    def __init__(self, mock: MockAtoms) -> None:
        self._stubs = mock.stubs
        self._base_path = mock.settings.base_path
        self._has_dashboard = control_access(mock.settings).access != "disabled"

    def respond(self, context: RequestContext) -> CompleteResponse | None:
        """Return the response to an unknown route or to an unauthenticated request; `None` for all others."""
        if not context.operation.name:
            return self._not_found(context)
        if isinstance(context.caller, UnauthenticatedCaller):
            context.exchange.reason = context.caller.reason
            return documented_error(HTTPStatus.UNAUTHORIZED, context.operation)
        return None

    def _not_found(self, context: RequestContext) -> CompleteResponse:
        """Return Express's response to an unknown route: HTML, not JSON (L)."""
        exchange = context.exchange
        route = escape(f"{exchange.method} {exchange.path}")
        if not self._stubs.is_empty and self._stubs.has_route(exchange, context.path):
            log_hint = _STUB_DIFFERS
            page_hint = f"mock-atoms has a stub for this method and path, but {_UNMET}: {_SEE} (docs/stubs.md)"
        else:
            suggestion = self._suggestion(context)
            log_hint = _log_hint(suggestion, has_api_path=context.api_path is not None)
            page_hint = f"mock-atoms does not mock this route. {suggestion}{_stub_advice(route, context.api_path)}"
        if exchange.reason is None:  # a connection fault that lets the request pass has its own
            exchange.reason = OUTSIDE_BASE_PATH if context.api_path is None else UNMOCKED_ROUTE
            exchange.hint = log_hint
        page = (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
            f"<body>\n<pre>Cannot {route}</pre>\n</body>\n</html>\n"
            f"<!-- {page_hint} -->\n"
        )
        return complete_response(HTTPStatus.NOT_FOUND, [("content-type", "text/html; charset=utf-8")], page.encode())

    def _suggestion(self, context: RequestContext) -> str:
        """Return what the client probably wanted, with a space at the end, or an empty string."""
        method, path = context.exchange.method, context.exchange.path
        if path == "/":
            return f"The dashboard is at {CONTROL_PREFIX}/. " if self._has_dashboard else ""
        if len(path) > _MAX_COMPARED_LENGTH:
            return ""
        return _did_you_mean(method, path, self._base_path, has_api_path=context.api_path is not None)


@lru_cache(maxsize=1_000)
def _did_you_mean(method: str, path: str, base_path: str, *, has_api_path: bool) -> str:
    """Return a similar operation as a question, with a space at the end, or an empty string.

    Args:
        method: HTTP method.
        path: the path, credentials masked.
        base_path: the base path.
        has_api_path: whether `path` is below the base path. Otherwise its end is compared.
    """
    api_path = path.removeprefix(base_path).removeprefix(base_path)  # some clients add it twice
    operation = similar_operation(method, api_path) if has_api_path else operation_at_end(method, path)
    return "" if operation is None else f"Did you mean {operation.method} {base_path}{operation.path}? "


@lru_cache
def _log_hint(suggestion: str, *, has_api_path: bool) -> str:
    """Return what to do about an unknown route, for the log. There are few, which the exchanges share."""
    command = "mock-atoms stubs add METHOD PATH, or " if has_api_path else ""
    return f"{suggestion}To stub this route: {command}POST {CONTROL_PREFIX}/mappings (docs/stubs.md)"


def _stub_advice(route: str, api_path: str | None) -> str:
    """Return how to stub an unknown route, in one line without two hyphens in a row.

    Args:
        route: its method and path, escaped, with credentials masked.
        api_path: its path below the base path as sent; `None` if it is not below.
    """
    # Without a credential, the path as sent ends the masked one. Others may need quotes in a shell.
    is_plain = api_path is not None and _PLAIN_PATH.fullmatch(api_path) and "--" not in route
    method, _, path = route.replace("--", "-\\u002d").partition(" ")
    command = (
        f"run `mock-atoms stubs add {method} {api_path}`, or " if is_plain and path.endswith(str(api_path)) else ""
    )
    return (
        f"To stub it, {command}POST to {CONTROL_PREFIX}/mappings: "
        f'{{"request": {{"method": "{method}", "urlPath": "{path}"}}, '
        '"response": {"status": 200, "jsonBody": {}}} (docs/stubs.md)'
    )
