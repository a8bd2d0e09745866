import json

import httpx
import pytest

import mock_atoms
from mock_atoms import MockServer
from mock_atoms.cli.status import _duration
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME


def test_status_counts_what_the_server_has(server: MockServer, client: httpx.Client, run: Run) -> None:
    client.get("/audience", headers=ACME)
    server.fail("500", token="sk_other")
    assert json.loads(run("status", "--json").out) | {"uptimeInSeconds": 0} == {
        "url": server.url,
        "status": "healthy",
        "version": mock_atoms.__version__,
        "uptimeInSeconds": 0,
        "tenants": 1,
        "faultRules": 1,
        "requests": 1,
    }
    code, out, _ = run("status")
    assert code == 0
    assert out.startswith(f"base URL     {server.url}\nstatus       healthy, version {mock_atoms.__version__}, up ")
    assert out.endswith("\ntenants      1\nfault rules  1\nrequests     1\n")


@pytest.mark.parametrize(("seconds", "text"), [(59, "59 s"), (61, "1 min 1 s"), (7_265, "2 h 1 min")])
def test_durations_are_short(seconds: int, text: str) -> None:
    assert _duration(seconds) == text
