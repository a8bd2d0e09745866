"""The cost of verifying one tenant's requests does not depend on the others, as a number of function calls."""

import asyncio
import gc
import json

import pytest

from mock_atoms import Settings, create_app
from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import call
from tests.helpers.exchanges import exchange
from tests.helpers.profiling import CallCounter
from tests.helpers.stores import count_request


def rule_of(token: str, test_id: str) -> Rule:
    return parse_fault({"fault": "500x1", "match": {"token": token, "testId": test_id}})


BY_TOKEN = {"headers": {"Authorization": {"equalTo": "Bearer sk_mine"}}}
BY_TEST = {"headers": {"X-Test-Id": {"equalTo": "mine"}}}
CALLS = [
    ("GET", "/requests?token=sk_mine", None),
    ("GET", "/requests?testId=mine&path=/audience&status=500", None),
    ("GET", "/retries?token=sk_mine", None),
    ("POST", "/requests/find", BY_TOKEN),
    ("POST", "/requests/find", BY_TEST),
    ("POST", "/requests/count?token=sk_mine", {}),
    ("POST", "/requests/count?atLeast=2&timeoutMs=1000", BY_TEST),
    ("POST", "/requests/remove", BY_TOKEN),
    ("DELETE", f"/faults/{RuleBook({}).add(rule_of('sk_mine', 'mine')).id}", None),
    ("POST", "/reset", {"token": "sk_mine"}),
    ("POST", "/reset", {"testId": "mine"}),
]


async def mock_with_others(others: int) -> MockAtoms:
    """Return a server with three failed requests and a rule of one tenant, and some of each other one."""
    mock = MockAtoms(Settings(), clock=lambda: 0.0)  # so that all work is done in its first slice
    for number in range(others + 1):
        token, test_id = (f"sk_{number}", f"{number}") if number < others else ("sk_mine", "mine")
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"x-test-id", test_id.encode())]
        masked, digests = mock.journal.credentials.mask_headers(headers, token)
        tenant = caller_for(token, test_id).tenant
        first = exchange(0, 500, tenant=tenant, credential_digests=digests, headers=masked)
        for start in (0, 1, 2) if number == others else (0,):
            mock.journal.add(exchange(start, 500, head=first.head))
        await count_request(mock.store, tenant)
        await mock.store.add_rule(rule_of(token, test_id))
    return mock


def function_calls(others: int, method: str, target: str, content: object) -> int:
    """Return the number of Python and C functions called for a call of the control API."""
    app = create_app(mock=asyncio.run(mock_with_others(others)))
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    path, _, query = f"/__admin{target}".partition("?")
    body = b"" if content is None else json.dumps(content).encode()
    call(app, "/__admin/health", headers)  # builds the control API
    gc.collect()  # asyncio looks at all tasks, garbage included
    counter = CallCounter()
    with counter:
        response = call(app, path, headers, method, query=query.encode(), body=body)
    assert response.status == 200, response
    return counter.count


@pytest.mark.slow
@pytest.mark.alone("it fills the journal of one replica")
@pytest.mark.parametrize(("method", "target", "content"), CALLS, ids=[f"{call[0]} {call[1]}" for call in CALLS])
def test_the_cost_of_a_tenant_does_not_depend_on_others(method: str, target: str, content: object) -> None:
    _first, few, many = (function_calls(others, method, target, content) for others in (0, 10, 2_000))
    assert few == many


@pytest.mark.slow
@pytest.mark.alone("it fills the journal of one replica")
def test_a_scan_of_all_requests_depends_on_them() -> None:
    pattern = {"headers": {"X-Test-Id": {"contains": "mine"}}}
    few, many = (function_calls(others, "POST", "/requests/find", pattern) for others in (10, 2_000))
    assert many > few + 2_000
