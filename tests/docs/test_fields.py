"""Compares the tables of fields, methods and metrics in docs with a running server and the code."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import get_args, get_type_hints

import httpx
import pytest

from mock_atoms import MockClient, MockServer
from mock_atoms.faults.effects import ConnectionFault
from mock_atoms.journal import exchange
from mock_atoms.testing.recorded_request import RecordedRequest
from tests.helpers.audiences import bearer
from tests.helpers.snippets import ROOT

NEAR_MISS_FIELDS = {"differences"}


@pytest.fixture(scope="module")
def server_after_a_retry() -> Iterator[MockServer]:
    with MockServer() as mock:
        for _ in range(2):
            httpx.get(f"{mock.url}/audience", headers=bearer("sk_mock_429x1.fields"))
        yield mock


def table_names(page: str, header: str) -> set[str]:
    """Return the names in code in the first column of the table of `page` that starts with `header`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = text.partition(f"\n| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    assert rows, f"{page} has no table {header}"
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def test_journal_page_has_all_own_fields(server_after_a_retry: MockServer) -> None:
    request = httpx.get(f"{server_after_a_retry.root_url}/__admin/requests").json()["requests"][0]["request"]
    assert table_names("journal.md", "field | meaning") == set(request["mockAtoms"]) | NEAR_MISS_FIELDS


def test_journal_page_has_all_reasons() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mock_atoms").rglob("*.py"))
    literals = set(re.findall(r'(?:\breason ?= ?|\breason or |return None, |_TOKEN = )"([a-z]+(?:-[a-z]+)+)"', code))
    constants = {value for name, value in vars(exchange).items() if name.isupper() and isinstance(value, str)}
    slugs = {value for value in constants if re.fullmatch(r"[a-z-]+", value)} - {exchange.RESPONDED}
    connections = {f"connection-{kind}" for kind in get_args(get_type_hints(ConnectionFault)["kind"])}
    assert table_names("journal.md", "reason | meaning") == literals | slugs | connections


def test_retries_page_has_all_fields_of_calls_and_attempts(server_after_a_retry: MockServer) -> None:
    (call,) = httpx.get(f"{server_after_a_retry.root_url}/__admin/retries").json()["calls"]
    assert table_names("retries.md", "field of a call | meaning") == set(call)
    keys = {key for attempt in call["attempts"] for key in attempt}
    assert table_names("retries.md", "field of an attempt | meaning") == keys


def test_logs_page_has_all_metrics(server_after_a_retry: MockServer) -> None:
    text = httpx.get(f"{server_after_a_retry.root_url}/__admin/metrics").text
    families = set(re.findall(r"^# TYPE (mock_atoms_\w+)", text, re.MULTILINE))
    created = {name for name in families if name.endswith("_created")}
    assert table_names("observability.md", "metric | meaning") == families - created


def test_python_page_has_all_fields_of_a_request() -> None:
    assert table_names("python.md", "field |") == {field.name for field in fields(RecordedRequest)}


def test_python_page_has_all_methods() -> None:
    names = {re.split(r"[.(]", name)[1] for name in table_names("python.md", "member |")}
    public = {name for name, _ in inspect.getmembers(MockClient) if not name.startswith("_")}
    assert public - names == {"wait_until_healthy"}
