"""Parallel tests: the faults of one tenant never affect another."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smallestai import SmallestAI
from smallestai.environment import SmallestAIEnvironment

from mock_atoms import MockServer
from mock_atoms.core.tenancy import AuthenticatedCaller, caller_for
from mock_atoms.faults.engine import Counters, FaultEngine, FaultRequest
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule

TENANTS = 100


@pytest.fixture(autouse=True)
def _quiet_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALLESTAI_TELEMETRY", "0")


@pytest.mark.slow
def test_100_parallel_tenants_get_their_own_failures_and_data() -> None:
    tokens = [f"sk_tenant_{number:03d}" for number in range(TENANTS)]
    # Threads that share a pool would sometimes get a connection that it closes, because too many are idle.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    with (
        MockServer() as mock,
        httpx.Client(limits=limits) as pool,
        httpx.Client(limits=limits, base_url=f"{mock.root_url}/__admin") as admin,
    ):
        environment = SmallestAIEnvironment(atoms=mock.url, waves=mock.url, waves_ws=mock.url, payment=mock.url)

        def run_test(token: str) -> list[str | None]:
            rule = {"fault": "500x2", "match": {"token": token}}
            assert admin.post("/faults", json=rule).status_code == 201
            client = SmallestAI(api_key=token, environment=environment, httpx_client=pool)
            return [audience.id for audience in client.atoms.audience.list().data or []]

        with ThreadPoolExecutor(TENANTS) as threads:
            audience_ids = list(threads.map(run_test, tokens))
        assert all(audience_ids)
        assert len({tuple(ids) for ids in audience_ids}) == TENANTS
        for token in tokens:
            pattern = {"headers": {"Authorization": {"equalTo": f"Bearer {token}"}}}
            assert admin.post("/requests/count", json=pattern).json()["count"] == 3
            (call,) = admin.get("/retries", params={"token": token}).json()["calls"]
            assert (call["statuses"], call["outcome"], call["findings"]) == ([500, 500, 200], "recovered", [])
        assert {(rule["evaluated"], rule["triggered"]) for rule in admin.get("/faults").json()["faults"]} == {(3, 2)}


SCHEDULES = st.fixed_dictionaries(
    {},
    optional={
        "after": st.integers(0, 3),
        "times": st.integers(0, 3),
        "every": st.integers(1, 3),
        "probability": st.sampled_from([0, 0.3, 0.7, 1]),
        "limit": st.builds(dict, requests=st.integers(0, 3), seconds=st.integers(1, 3)),
    },
)
EFFECTS = st.sampled_from(
    [
        {"respond": {"status": 500}},
        {"connection": "reset"},
        {"delay": {"minMs": 1, "maxMs": 9}},
        {"delay": {"medianMs": 5, "sigma": 1}, "respond": {"status": 429}},
        {"alter": {"values": {"/data": None}}},
    ]
)
MATCHES = st.fixed_dictionaries(
    {}, optional={"token": st.sampled_from(["sk_a", "sk_b"]), "testId": st.just("t"), "method": st.just("GET")}
)
RULES = st.builds(
    lambda match, when, effect: parse_fault({"match": match, "when": when, **effect}), MATCHES, SCHEDULES, EFFECTS
)
CALLERS = [caller_for("sk_a"), caller_for("sk_b"), caller_for("sk_a", "t"), caller_for("sk_mock_503x1.c")]
REQUESTS = st.lists(
    st.tuples(st.sampled_from(CALLERS), st.sampled_from(["GET", "POST"]), st.integers(0, 10)), max_size=30
)


class FaultEngineRun:
    """A fault engine with counters for each tenant."""

    def __init__(self, rules: list[Rule]) -> None:
        book = RuleBook({})
        for rule in rules:
            book.add(rule)
        self._engine = FaultEngine("seed", book)
        self._counters: dict[bytes, Counters] = {}

    def decisions(self, requests: list[tuple[AuthenticatedCaller, str, int]]) -> Iterator[tuple[bytes, Any]]:
        """Yield the tenant key and the fault decision of each request."""
        for caller, method, now in requests:
            counters = self._counters.setdefault(caller.tenant.key, {})
            request = FaultRequest(caller, method, "/audience", now)
            matching = self._engine.matching(caller, method, "/audience")
            yield caller.tenant.key, self._engine.evaluate(request, None, matching, counters).apply(counters)


@pytest.mark.slow
@given(st.lists(RULES, min_size=1, max_size=4), REQUESTS)
@settings(max_examples=400, deadline=None)
def test_a_tenant_gets_the_same_decisions_alone_and_beside_others(
    rules: list[Rule], requests: list[tuple[AuthenticatedCaller, str, int]]
) -> None:
    together = list(FaultEngineRun(rules).decisions(requests))
    for caller in CALLERS:
        own = [request for request in requests if request[0] is caller]
        alone = [decision for _, decision in FaultEngineRun(rules).decisions(own)]
        assert [decision for key, decision in together if key == caller.tenant.key] == alone
