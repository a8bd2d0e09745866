"""Request bodies in flight share a bounded memory."""

import json

import pytest

from mock_atoms import Settings, create_app
from mock_atoms.core import body_memory
from mock_atoms.core.body_memory import BodyLease, BodyMemory, BodyMemoryError, take_body_memory
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.mock import MockAtoms
from mock_atoms.state.store import TenantState
from tests.helpers.asgi import call


def test_memory_is_shared_until_it_is_given_back() -> None:
    memory = BodyMemory()
    first, second = BodyLease(memory), BodyLease(memory)
    scope: dict[str, object] = {}
    first.put_into(scope)
    take_body_memory(scope, body_memory.MAX_BODIES_BYTES - 10)
    second.take(10)
    with pytest.raises(BodyMemoryError, match="the request bodies in flight need more than 402653184 bytes of memory"):
        second.take(1)
    first.release()
    second.take(1)
    second.release()
    second.release()
    assert memory.free_bytes == body_memory.MAX_BODIES_BYTES


def test_a_part_of_the_application_that_runs_alone_has_no_limit() -> None:
    take_body_memory({}, 10**12)


def test_large_values_are_freed_in_steps_unless_they_are_in_use() -> None:
    lease = BodyLease(BodyMemory())
    rows = [{"a": [number, {}, {"b": [number]}]} for number in range(10_000)]
    in_use = rows[5]
    values = [{"rows": rows, "text": "x"}]
    del rows
    assert not lease.is_large
    lease.keep(values)
    assert not lease.is_large
    lease.take(2_000_000)
    assert lease.is_large
    assert sum(1 for _ in lease.free()) > 100
    assert values == []
    assert in_use == {"a": [5, {}, {"b": [5]}]}


def test_a_converted_value_is_freed_part_by_part() -> None:
    lease = BodyLease(BodyMemory())
    states = [TenantState(caller_for(f"sk_{number}").tenant, counters=counters(1_000)) for number in range(2)]
    in_use = states[0]
    lease.keep([{"tenants": states}])
    del states
    assert sum(1 for _ in lease.free()) == 2
    assert len(in_use.counters) == 1_000


def counters(count: int) -> dict[str, RuleCounter]:
    return {str(number): RuleCounter(number) for number in range(count)}


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of steps in which each large body was freed."""
    numbers: list[int] = []
    free = BodyLease.free

    def counted(lease: BodyLease) -> Steps[None]:
        numbers.append(sum(1 for _ in free(lease)))
        yield

    monkeypatch.setattr(BodyLease, "free", counted)
    return numbers


def test_a_refused_state_is_freed_in_steps(freed: list[int]) -> None:
    mock = MockAtoms(Settings())
    app = create_app(mock=mock)
    fixtures = [{"token": "-", "tokenDigest": "0" * 32, "audiences": [{"name": "n"} for _ in range(20_000)]}]
    state = {"version": "1", "seed": "other", "locale": "en_US", "rules": [], "fixtures": fixtures, "tenants": []}
    response = call(app, "/__admin/state", [(b"host", b"localhost"), JSON], "PUT", body=json.dumps(state).encode())
    assert response.status == 409
    assert [steps > 50 for steps in freed] == [True]
    assert mock.body_memory.free_bytes == body_memory.MAX_BODIES_BYTES


@pytest.mark.slow
def test_other_requests_run_while_a_large_body_is_freed(freed: list[int]) -> None:
    mock = MockAtoms(Settings())
    app = create_app(mock=mock)
    for body in (b"[1]", json.dumps([[]] * 100_000).encode(), json.dumps([[]] * 1_000_000).encode()):
        call(app, f"{AUDIENCE}/members", [(b"authorization", b"Bearer sk_a"), JSON], "POST", body=body)
    assert [steps > 100 for steps in freed] == [True, True]
    assert mock.body_memory.free_bytes == body_memory.MAX_BODIES_BYTES


JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"multipart/form-data; boundary=b")
UPLOAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nphone\r\n+14155550100\r\n--b--\r\n'
AUDIENCE = "/atoms/v1/audience/60d0fe4f5311236168a109ca"


@pytest.mark.parametrize(
    ("path", "content_type", "body", "free"),
    [
        (f"{AUDIENCE}/members", JSON, b"[1]", 2),
        (f"{AUDIENCE}/members", JSON, json.dumps([[]] * 100_000).encode(), 1_000_000),
        ("/atoms/v1/audience", FORM, UPLOAD, 500),
    ],
)
def test_a_body_beyond_the_memory_gets_a_503(
    path: str, content_type: tuple[bytes, bytes], body: bytes, free: int
) -> None:
    mock = MockAtoms(Settings())
    app = create_app(mock=mock)
    headers = [(b"authorization", b"Bearer sk_a"), content_type, (b"content-length", b"%d" % len(body))]
    mock.body_memory.free_bytes = free
    response = call(app, path, headers, "POST", body=body)
    assert (response.status, response.headers["x-mock-atoms-reason"]) == (503, "bodies-in-flight")
    assert json.loads(response.body)["errors"][0].startswith("the request bodies in flight need more than")
    assert mock.body_memory.free_bytes == free


def test_a_body_of_the_control_api_beyond_the_memory_gets_a_503() -> None:
    mock = MockAtoms(Settings())
    app = create_app(mock=mock)
    mock.body_memory.free_bytes = 1
    response = call(app, "/__admin/reset", [JSON], "POST", body=b"{}")
    assert (response.status, json.loads(response.body)["errors"][0]["title"]) == (503, "too many bodies in flight")
    mock.body_memory.free_bytes = 1_000
    assert call(app, "/__admin/reset", [JSON], "POST", body=b"{}").status == 200
