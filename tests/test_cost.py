"""The cost of frequent requests that the application handles, as a number of function calls.

tests/caching/test_cost.py does the same for requests that the fast path and the middleware handle.
"""

import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from mock_atoms import Settings, create_app
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import AsgiResponse, bearer_pairs, call
from tests.helpers.profiling import CallCounter

HEADERS = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
LIST = "/atoms/v1/audience"
BUDGETS = {
    "rule": 645,
    "requests": 515,
    "retries": 910,
    "reset": 330,
    "first list": 2135,
    "page": 1020,
    "addition": 800,
}
"""Maximum number of Python and C functions called for a request, after a similar one. If you raise one, say why.

The last three were raised by 50 for the check of credentials, query and body against the contract, and by 30 for
campaigns and response bodies. The page was raised by 5 for the bound of its checked parameters. The first list was
raised by another 220 for its campaigns that are not active.
"""


class CountingApp:
    """An application that counts the functions that its last request called. Its clock stands still."""

    def __init__(self) -> None:
        mock = MockAtoms(Settings(response_cache=False), lambda: 0.0, log=lambda _exchange, _attempt: None)
        self._app = create_app(mock=mock)
        self._counter = CallCounter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._counter:
            await self._app(scope, receive, send)

    @property
    def calls(self) -> int:
        return self._counter.count

    def send(self, method: str, path: str, token: str, content: object = None, query: bytes = b"") -> AsgiResponse:
        body = b"" if content is None else json.dumps(content).encode()
        response = call(self, path, [*HEADERS, *bearer_pairs(token)], method, body=body, query=query)
        assert response.status < 300
        return response

    def fetch(self, path: str, token: str) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.send("GET", path, token).body)["data"]


@pytest.fixture
def app() -> CountingApp:
    return CountingApp()


def test_a_rule_stays_within_its_budget(app: CountingApp) -> None:
    for number in range(2):
        app.send("POST", "/__admin/faults", "sk_acme", {"fault": "500x2", "match": {"token": f"sk_{number}"}})
    assert app.calls <= BUDGETS["rule"]


def test_the_requests_and_the_retry_report_of_a_token_stay_within_their_budgets(app: CountingApp) -> None:
    app.fetch(LIST, "sk_acme")
    for name in ("requests", "retries"):
        for _ in range(2):
            app.send("GET", f"/__admin/{name}", "sk_acme", query=b"token=sk_acme")
        assert app.calls <= BUDGETS[name]


def test_a_reset_stays_within_its_budget(app: CountingApp) -> None:
    for _ in range(2):
        app.send("POST", "/__admin/reset", "sk_acme", {"token": "sk_acme"})
    assert app.calls <= BUDGETS["reset"]


def test_the_first_list_of_a_token_stays_within_its_budget(app: CountingApp) -> None:
    for token in ("sk_acme", "sk_team"):
        app.fetch(LIST, token)
    assert app.calls <= BUDGETS["first list"]


def test_a_page_of_members_and_an_addition_stay_within_their_budgets(app: CountingApp) -> None:
    app.send("PUT", "/__admin/tenants", "sk_acme", {"token": "sk_acme", "generate": {"audiences": 1, "members": 10}})
    audience = app.fetch(LIST, "sk_acme")[0]
    members = f"{LIST}/{audience['_id']}/members"
    for _ in range(2):
        app.send("GET", members, "sk_acme", query=b"page=1&offset=10")
    assert app.calls <= BUDGETS["page"]
    column = app.fetch(members.removesuffix("/members"), "sk_acme")["phoneNumberColumnName"]
    for number in range(2):
        app.send("POST", members, "sk_acme", {"members": [{column: f"+33199000{number:03}"}]})
    assert app.calls <= BUDGETS["addition"]
