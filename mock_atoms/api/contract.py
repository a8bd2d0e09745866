"""Contract violations that only routes can find: those of bodies, pages beyond the end, and past times."""

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import Request

from mock_atoms.contract.checking import (
    check_body,
    has_large_body,
    page_beyond_end,
    past_schedule,
    prepare_body_check,
)
from mock_atoms.contract.errors import ApiError
from mock_atoms.contract.violations import WRONG_CONTENT_TYPE, Violation
from mock_atoms.core.slices import Slices
from mock_atoms.journal.exchange import CONTEXT_KEY, CONTRACT_VIOLATION, RequestContext


async def record_body_violations(request: Request, slices: Slices, body: Any) -> None:  # noqa: ANN401 - any JSON
    """Record the contract violations of a body, unless it has another content type: nothing else is known then.

    Args:
        request: the request.
        slices: runs the checks of a long body.
        body: the body, as JSON; a `FormFile` replaces the file of a form.

    Raises:
        ApiError: 400, there are violations, and the server refuses them.
    """
    context: RequestContext = request.scope[CONTEXT_KEY]
    if any(violation.kind == WRONG_CONTENT_TYPE for violation in context.exchange.head.violations):
        return
    if has_large_body(context.operation):
        await asyncio.to_thread(prepare_body_check, context.operation)
    steps = check_body(context.operation, body, context.caller.token)
    _record(context, await slices.run_promptly(steps))


def record_page(request: Request, page: int, total_pages: int) -> None:
    """Record a page that does not exist.

    Raises:
        ApiError: 400, there are violations, and the server refuses them.
    """
    _record(request.scope[CONTEXT_KEY], page_beyond_end(page, total_pages))


def record_past_schedule(request: Request, scheduled_at: str) -> None:
    """Record that a campaign should start in the past.

    Raises:
        ApiError: 400, the server refuses violations.
    """
    context: RequestContext = request.scope[CONTEXT_KEY]
    _record(context, past_schedule(scheduled_at, context.caller.token))


def _record(context: RequestContext, violations: tuple[Violation, ...]) -> None:
    context.exchange.later_violations += violations
    if violations and context.refuses_violations:
        raise ApiError(HTTPStatus.BAD_REQUEST, *map(str, violations), reason=CONTRACT_VIOLATION)
