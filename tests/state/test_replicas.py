"""Servers that share a log respond like one server."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import cycle
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from mock_atoms.app import create_app
from mock_atoms.core.settings import Settings
from mock_atoms.data.agents import generated_agents
from mock_atoms.data.generator import Generator
from mock_atoms.mock import MockAtoms
from mock_atoms.state.replicated_store import ReplicatedStore
from tests.helpers.asgi import AsgiResponse, bearer_pairs, call
from tests.helpers.shared_log import MemoryLog

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
AUDIENCES, AGENTS = "/atoms/v1/audience", "/atoms/v1/agent"
STUBBED = "/atoms/v1/stubbed"
Headers = Sequence[tuple[bytes, bytes]]


class SharedRequest(NamedTuple):
    """A request that is sent to servers that share a log, and to one server alone.

    Attributes:
        path: its path; `{audience}` is replaced by the id of the token's newest audience, and `{agent}` by that of the
            newest agent of any token.
        headers: its headers.
        method: its method.
        query: its query.
        body: its body: bytes of a form, or JSON; `None` without one.
    """

    path: str
    headers: Headers = ()
    method: str = "GET"
    query: str = ""
    body: Any = None


class Servers:
    """Three servers that share a log, asked in turn, and one server alone.

    Args:
        page_size: number of entries a page of the log.
        snapshot_entries: number of entries between two snapshots.

    Attributes:
        log: the log.
    """

    def __init__(self, page_size: int = 3, snapshot_entries: int = 1_000) -> None:
        self.log = MemoryLog(page_size)
        self._snapshot_entries = snapshot_entries
        self._single = self._app(None)
        self._shared = [self._app(self.log) for _ in range(3)]
        self._turns = cycle(range(3))
        self._agent_id = generated_agents(Generator("atoms"), "sk_acme")[0]["_id"]

    def restart(self, number: int) -> None:
        """Replace a server by a new one, which knows nothing yet."""
        self._shared[number] = self._app(self.log)

    def _app(self, log: MemoryLog | None) -> ASGIApp:
        settings = Settings(fault=("502p10",), journal_size=20)
        mock = MockAtoms(settings, clock=lambda: 0.0, now=lambda: NOON, shared_log=log)
        if isinstance(mock.store, ReplicatedStore):
            mock.store._replica._snapshot_entries = self._snapshot_entries  # noqa: SLF001 - no setting changes it
        return create_app(mock=mock)

    def send(self, request: SharedRequest) -> AsgiResponse:
        """Send a request to one of the three and to the other, and return the response, which is the same."""
        headers, body = [*request.headers], b""
        if request.body is not None:
            is_form = isinstance(request.body, bytes)
            body = request.body if is_form else json.dumps(request.body).encode()
            content_type = b"multipart/form-data; boundary=b" if is_form else b"application/json"
            headers += [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        path = request.path
        if "{audience}" in path:
            listed = self._ask(SharedRequest(AUDIENCES, headers[:1])).body  # a fault may have replaced it
            path = path.replace("{audience}", ([*re.findall(r'"_id":"(\w{24})","name"', listed.decode())] or ["0"])[-1])
        path = path.replace("{agent}", self._agent_id)
        if "{campaign}" in path:
            caller = headers[:1] if path.startswith(CAMPAIGNS) else bearer_pairs(request.body["token"])
            listed = self._ask(SharedRequest(CAMPAIGNS, caller)).body
            path = path.replace("{campaign}", ([*re.findall(r'\{"_id":"(\w{24})"', listed.decode())] or ["0"])[0])
        if path == CAMPAIGNS and body:
            listed = self._ask(SharedRequest(AUDIENCES, headers[:1])).body
            audience_id = ([*re.findall(r'"_id":"(\w{24})","name"', listed.decode())] or ["0" * 24])[-1]
            body = body.replace(b"{audience}", audience_id.encode())
            headers[-1] = (b"content-length", b"%d" % len(body))
        response = self._ask(SharedRequest(path, headers, request.method, request.query), body)
        if response.status == HTTPStatus.CREATED and path == AGENTS:
            self._agent_id = json.loads(response.body)["data"]
        return response

    def _ask(self, request: SharedRequest, body: bytes = b"") -> AsgiResponse:
        shared, single = (
            call(app, request.path, request.headers, request.method, query=request.query.encode(), body=body)
            for app in (self._shared[next(self._turns)], self._single)
        )
        assert shared == single
        return shared


def multipart(fields: dict[str, str], rows: int) -> bytes:
    """Return a form with a CSV file of so many rows."""
    lines = "\r\n".join(["phone", *(f"141500000{number:02d}" for number in range(rows))])
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    parts.append(f'name="file"; filename="a.csv"\r\n\r\n{lines}')
    return "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts).encode() + b"--b--\r\n"


tokens = st.sampled_from(["sk_acme", "sk_beta", "sk_mock_500x2.a", "sk_mock_503p50.b", "sk_mock_limit2.c"])
headers = st.builds(
    lambda token, test: [*bearer_pairs(token), *([(b"x-test-id", test.encode())] if test else [])],
    tokens,
    st.sampled_from(["", "", "t1"]),
)
members = st.lists(
    st.integers(0, 5).map(lambda number: {"phone": f"1415555010{number}", "name": f"n{number}"}), min_size=1, max_size=3
)

listed_members = st.lists(members.map(lambda added: added[0]), unique_by=lambda member: member["phone"]).map(
    lambda listed: {"phoneNumberColumnName": "phone", "members": listed}
)


stubs = st.builds(
    lambda number, required, new, fields: {
        **({} if number is None else {"id": f"00000000-0000-4000-8000-00000000000{number}"}),
        "request": {"urlPath": STUBBED},
        "response": {"body": f"{number} {required} {new}"},
        **({"scenarioName": "s"} if required or new else {}),
        **({"requiredScenarioState": required} if required else {}),
        **({"newScenarioState": new} if new else {}),
        **fields,
    },
    st.sampled_from([None, 1, 2]),
    st.sampled_from(["", "Started", "two"]),
    st.sampled_from(["", "Started", "two"]),
    st.sampled_from([{}, {"priority": 1}, {"persistent": True}, {"metadata": {"a": 1}}]),
)


def control(path: str, method: str = "GET", query: str = "", body: Any = None) -> SharedRequest:  # noqa: ANN401 - any JSON
    return SharedRequest(f"/__admin{path}", (), method, query, body)


CAMPAIGNS = "/atoms/v1/campaign"
NEW_CAMPAIGN = {"name": "Mine", "audienceId": "{audience}", "agentId": "0" * 24}

campaign_requests = st.one_of(
    headers.map(lambda sent: SharedRequest(CAMPAIGNS, sent)),
    headers.map(lambda sent: SharedRequest(CAMPAIGNS, sent, "POST", body=NEW_CAMPAIGN)),
    st.builds(
        lambda sent, step: SharedRequest(f"{CAMPAIGNS}/{{campaign}}{step[1]}", sent, step[0]),
        headers,
        st.sampled_from([("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/start"), ("POST", "/pause")]),
    ),
)
vendor_requests = st.one_of(
    campaign_requests,
    headers.map(lambda sent: SharedRequest(AUDIENCES, sent)),
    headers.map(lambda sent: SharedRequest(f"{AUDIENCES}/{{audience}}", sent)),
    headers.map(lambda sent: SharedRequest(f"{AUDIENCES}/{{audience}}", sent, "DELETE")),
    headers.map(lambda sent: SharedRequest(f"{AUDIENCES}/{{audience}}/members", sent)),
    st.builds(
        lambda sent, added: SharedRequest(f"{AUDIENCES}/{{audience}}/members", sent, "POST", body={"members": added}),
        headers,
        members,
    ),
    st.builds(
        lambda sent, rows: SharedRequest(
            AUDIENCES, sent, "POST", body=multipart({"name": "Mine", "phoneNumberColumnName": "phone"}, rows)
        ),
        headers,
        st.integers(0, 4),
    ),
    headers.map(lambda sent: SharedRequest(AGENTS, sent, "POST", body={"name": "Mine"})),
    st.one_of(headers, st.just([])).map(lambda sent: SharedRequest(STUBBED, sent)),
    headers.map(lambda sent: SharedRequest(AGENTS, sent, "POST", "dryRun=1", {"name": 1, "title": "Mine"})),
    st.builds(
        lambda sent, query: SharedRequest(f"{AGENTS}/{{agent}}/archive", sent, "DELETE", query),
        headers,
        st.sampled_from(["", "on=false"]),
    ),
    st.sampled_from([SharedRequest(AUDIENCES), SharedRequest("/atoms/v1/unknown"), SharedRequest("/")]),
)
control_requests = st.one_of(
    st.builds(
        lambda fault, token: control("/faults", "POST", body={"fault": fault, "match": {"token": token}}),
        st.sampled_from(["500x1", "503p50", "429", "badjson", "delay1+500x1"]),
        tokens,
    ),
    st.builds(
        lambda token, names: control(
            "/tenants", "PUT", body={"token": token, "audiences": [{"name": name} for name in names]}
        ),
        tokens,
        st.lists(st.sampled_from(["A", "B"]), max_size=2),
    ),
    st.builds(
        lambda token, listed: control("/tenants", "PUT", body={"token": token, "audiences": [listed]}),
        tokens,
        listed_members,
    ),
    st.builds(
        lambda token, status: control("/campaigns/{campaign}", "PUT", body={"token": token, "status": status}),
        tokens,
        st.sampled_from(["running", "completed", "failed"]),
    ),
    stubs.map(lambda stub: control("/mappings", "POST", body=stub)),
    st.builds(
        lambda imported, policy, others: control(
            "/mappings/import",
            "POST",
            body={
                "mappings": imported,
                "importOptions": {"duplicatePolicy": policy, "deleteAllNotInImport": others},
            },
        ),
        st.lists(stubs, max_size=3),
        st.sampled_from(["IGNORE", "OVERWRITE"]),
        st.booleans(),
    ),
    st.builds(
        lambda state, query: control("/scenarios/s/state", "PUT", query, {"state": state}),
        st.sampled_from(["Started", "two"]),
        st.sampled_from(["", "token=sk_acme", "testId=t1"]),
    ),
    st.sampled_from(
        [
            control("/mappings"),
            control("/mappings", "DELETE"),
            control("/mappings/reset", "POST"),
            control("/mappings/remove-by-metadata", "POST", body={"matchesJsonPath": "$.a"}),
            control("/mappings/00000000-0000-4000-8000-000000000001", "DELETE"),
            control("/scenarios"),
            control("/scenarios/reset", "POST"),
            control("/scenarios/reset", "POST", "token=sk_acme"),
        ]
    ),
    tokens.map(lambda token: control("/reset", "POST", body={"token": token})),
    tokens.map(lambda token: control("/retries", query=f"token={token}")),
    tokens.map(
        lambda token: control(
            "/requests/remove", "POST", body={"headers": {"Authorization": {"equalTo": f"Bearer {token}"}}}
        )
    ),
    st.sampled_from(
        [
            control("/reset", "POST"),
            control("/faults", "DELETE"),
            control("/faults"),
            control("/tenants"),
            control("/requests"),
            control("/requests", "DELETE"),
            control("/requests/count", "POST", body={}),
            control("/retries"),
            control("/state"),
        ]
    ),
)


@pytest.mark.slow
@given(
    st.lists(st.one_of(vendor_requests, vendor_requests, control_requests, st.integers(0, 2)), max_size=25),
    st.sampled_from([3, 10, 1_000]),
)
def test_three_servers_respond_like_one(actions: list[SharedRequest | int], snapshot_entries: int) -> None:
    servers = Servers(snapshot_entries=snapshot_entries)
    for action in actions:
        if isinstance(action, int):
            servers.restart(action)
        else:
            servers.send(action)
    for path in ("/requests", "/faults", "/tenants", "/retries", "/violations", "/mappings", "/scenarios", "/state"):
        servers.send(control(path))


def test_an_imported_state_reaches_all_servers() -> None:
    servers = Servers()
    servers.send(SharedRequest(AUDIENCES, bearer_pairs("sk_acme")))
    servers.send(control("/tenants", "PUT", body={"token": "sk_acme", "audiences": [{"name": "A"}]}))
    servers.send(control("/faults", "POST", body={"fault": "503x9", "match": {"token": "sk_acme"}}))
    state = json.loads(servers.send(control("/state")).body)
    servers.send(control("/reset", "POST"))
    servers.send(control("/state", "PUT", body=state))
    for _ in range(3):
        assert servers.send(SharedRequest(AUDIENCES, bearer_pairs("sk_acme"))).status == 503
        assert json.loads(servers.send(control("/state")).body)["tenants"] != []


def test_a_list_takes_two_round_trips() -> None:
    servers = Servers(page_size=100)
    for request in (SharedRequest(AUDIENCES, bearer_pairs("sk_acme")), SharedRequest(AUDIENCES), SharedRequest("/")):
        before = servers.log.round_trips
        servers.send(request)
        assert servers.log.round_trips == before + 2


def test_all_servers_compare_the_same_times() -> None:
    """Their monotonic clocks begin at different times, and their wall clocks stand still."""
    log, seconds = MemoryLog(), [0.0]

    def make_server(start: float) -> ASGIApp:
        mock = MockAtoms(Settings(), clock=lambda: start + seconds[0], now=lambda: NOON, shared_log=log)
        return create_app(mock=mock)

    servers = [make_server(start) for start in (0.0, 5_000.0, 10_000.0)]
    for server in servers:
        seconds[0] += 0.001
        call(server, AUDIENCES, bearer_pairs("sk_mock_500x2"))
    first, *others = [json.loads(call(server, "/__admin/requests").body) for server in servers]
    assert [served["request"]["mockAtoms"]["attempt"] for served in first["requests"]] == [3, 2, 1]
    assert others == [first, first]
