"""Prometheus metrics."""

import re
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import mock_atoms
from mock_atoms import MockServer
from mock_atoms.journal.metrics import BUCKETS, Metrics, ServerStatus
from tests.helpers.audiences import send

LABELS = ("operation", "status", "ended", "faulted", "le", "rule", "version")
Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def mock() -> Iterator[MockServer]:
    with MockServer(fault=["DELETE /audience/{id} 503"], journal_size=5) as running:
        yield running


def samples(mock: MockServer) -> Samples:
    """Return the value of each sample by name and label values."""
    text = httpx.get(f"{mock.root_url}/__admin/metrics").text
    return {
        (sample.name, tuple(sample.labels[label] for label in LABELS if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_exchanges_are_counted_by_operation_and_ending(mock: MockServer) -> None:
    for method, path in (
        *(("GET", "/audience"), ("HEAD", "/audience/"), ("DELETE", "/audience/x"), ("PATCH", "/audience")),
        *(("GET", "/audience/x/members?page=2"), ("POST", "/nowhere"), ("GET", "/nowhere")),
    ):
        send(mock.url, path=path, method=method)
    with pytest.raises(httpx.RemoteProtocolError):
        send(mock.url, "sk_mock_close")
    httpx.get(f"{mock.root_url}/audience")
    values = samples(mock)
    assert {labels: value for (name, labels), value in values.items() if name == "mock_atoms_requests_total"} == {
        ("GET /audience", "200", "responded", "false"): 2,
        ("GET /audience", "0", "close", "true"): 1,
        ("DELETE /audience/{id}", "503", "responded", "true"): 1,
        ("GET /audience/{id}/members", "400", "responded", "false"): 1,
        ("other", "404", "responded", "false"): 4,
    }
    assert values["mock_atoms_fault_triggered_total", ("fault-1",)] == 1
    assert values["mock_atoms_tenants", ()] == 3
    assert (values["mock_atoms_journal_entries", ()], values["mock_atoms_journal_dropped_total", ()]) == (5, 4)
    assert values["mock_atoms_uptime_seconds", ()] > 0
    assert values["mock_atoms_info", (mock_atoms.__version__,)] == 1


def test_durations_include_fault_delays(mock: MockServer) -> None:
    send(mock.url, "sk_mock_delay300")
    send(mock.url)
    values = samples(mock)
    name = "mock_atoms_request_duration_seconds"
    buckets = [values[f"{name}_bucket", ("GET /audience", str(bound))] for bound in (*BUCKETS, "+Inf")]
    assert buckets == sorted(buckets)
    assert (buckets[BUCKETS.index(0.25)], buckets[-1], values[f"{name}_count", ("GET /audience",)]) == (1, 2, 2)
    assert values[f"{name}_sum", ("GET /audience",)] >= 0.3


def test_a_reset_keeps_the_counters(mock: MockServer) -> None:
    send(mock.url)
    mock.reset()
    assert samples(mock)["mock_atoms_requests_total", ("GET /audience", "200", "responded", "false")] == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
def test_the_accept_header_chooses_the_format(mock: MockServer, accept: str, content_type: str) -> None:
    response = httpx.get(f"{mock.root_url}/__admin/metrics", headers={"Accept": accept})
    assert response.headers["content-type"].partition(";")[0] == content_type
    assert response.text.endswith("# EOF\n") == accept.startswith("application")


def test_metrics_need_the_admin_token() -> None:
    with MockServer(admin_token="verysecret") as mock:
        assert httpx.get(f"{mock.root_url}/__admin/metrics").status_code == 401
    with MockServer() as mock:
        assert httpx.get(f"{mock.root_url}/__admin/metrics?x=1").status_code == 422


ACCEPT = st.lists(
    st.sampled_from(["application/openmetrics-text", "text/plain", "*/*", ";", ",", " ", "=", "version", "escaping"])
    | st.sampled_from(
        ["; version=", "1.0.0", "0.0.1", "2.0.0", "1.0.0.0", "x", "1e9", "; escaping=", "allow-utf-8", "q=0.5"]
    )
    | st.text(st.characters(max_codepoint=255), max_size=3)
)


@given(ACCEPT.map("".join))
@example("application/openmetrics-text;version=x")
@example(f"application/openmetrics-text;version={'9' * 5_000}")
@example("text/plain;version=1.0.0;version=\xb2")
def test_any_accept_header_gets_metrics(accept: str) -> None:
    content, content_type = Metrics().render(ServerStatus(0, 0, 0, {}, 0.0), accept)
    assert b"mock_atoms_tenants 0.0" in content
    assert re.match(r"(text/plain|application/openmetrics-text); version=\d[\d.]*; charset=utf-8", content_type)


def test_prometheus_gets_openmetrics() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=x,text/plain"
    content, content_type = Metrics().render(ServerStatus(0, 0, 0, {}, 0.0), accept)
    assert content.endswith(b"# EOF\n")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
