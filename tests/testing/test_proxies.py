"""Proxies in the environment do not receive requests to a mock server."""

import httpx
import pytest
import requests

from mock_atoms import MockClient, MockServer
from mock_atoms.testing.proxies import proxy_advice, without_proxy
from tests.helpers.audiences import ACME

DEAD_PROXY = "http://127.0.0.1:9"
PROXY_VARIABLES = [
    name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())
]


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("variable", PROXY_VARIABLES[:6])
def test_requests_to_a_server_bypass_the_proxy(environ: pytest.MonkeyPatch, variable: str) -> None:
    environ.setenv(variable, DEAD_PROXY)
    with MockServer() as mock:
        assert httpx.get(f"{mock.url}/audience", headers=ACME).status_code == 200
        assert requests.get(f"{mock.url}/audience", headers=ACME, timeout=20).status_code == 200


def test_the_client_of_the_control_api_never_uses_a_proxy(environ: pytest.MonkeyPatch) -> None:
    with MockServer() as mock:
        environ.setenv("HTTP_PROXY", DEAD_PROXY)
        environ.setenv("http_proxy", DEAD_PROXY)
        assert MockClient(mock.url).requests() == []


@pytest.mark.parametrize(
    ("before", "during"),
    [
        ({}, {}),
        ({"NO_PROXY": "a"}, {"NO_PROXY": "a"}),
        ({"HTTP_PROXY": ""}, {"HTTP_PROXY": ""}),
        ({"HTTP_PROXY": "p"}, {"HTTP_PROXY": "p", "NO_PROXY": "h", "no_proxy": "h"}),
        ({"all_proxy": "p", "NO_PROXY": "a, b"}, {"all_proxy": "p", "NO_PROXY": "a, b,h"}),
        ({"https_proxy": "p", "no_proxy": "h"}, {"https_proxy": "p", "no_proxy": "h,h"}),
        (
            {"ALL_PROXY": "p", "NO_PROXY": "a", "no_proxy": "b"},
            {"ALL_PROXY": "p", "NO_PROXY": "a,h", "no_proxy": "b,h"},
        ),
        ({"HTTP_PROXY": "p", "NO_PROXY": ""}, {"HTTP_PROXY": "p", "NO_PROXY": ",h", "no_proxy": "h"}),
        ({"HTTP_PROXY": "p", "NO_PROXY": "", "no_proxy": "a"}, {"HTTP_PROXY": "p", "NO_PROXY": "", "no_proxy": "a,h"}),
        ({"HTTP_PROXY": "p", "NO_PROXY": "*"}, {"HTTP_PROXY": "p", "NO_PROXY": "*"}),
    ],
)
def test_the_environment_has_the_host_for_a_while(before: dict[str, str], during: dict[str, str]) -> None:
    environ = dict(before)
    with without_proxy("h", environ):
        assert environ == during
    assert environ == before


@pytest.mark.parametrize("before", [{}, {"NO_PROXY": ""}, {"NO_PROXY": "a,127.0.0.1"}, {"no_proxy": "b"}])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_servers_restore_the_environment_in_any_order(before: dict[str, str], order: list[int]) -> None:
    environ = {"HTTP_PROXY": "p", **before}
    initial = dict(environ)
    bypasses = [without_proxy(host, environ) for host in ("127.0.0.1", "::1", "127.0.0.1")]
    for bypass in bypasses:
        bypass.__enter__()
    for position in order:
        bypasses[position].__exit__(None, None, None)
    assert environ == initial


def test_a_variable_that_a_test_has_replaced_stays() -> None:
    environ = {"HTTP_PROXY": "p"}
    with without_proxy("h", environ):
        environ["NO_PROXY"] = "a"
        del environ["no_proxy"]
    assert environ == {"HTTP_PROXY": "p", "NO_PROXY": "a"}


def test_a_stopped_server_leaves_the_environment_unchanged(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("HTTP_PROXY", DEAD_PROXY)
    server = MockServer(host="localhost")
    for _ in range(2):
        server.start()
        assert "localhost" in httpx_exceptions()
        server.stop()
        assert httpx_exceptions() == []


def httpx_exceptions() -> list[str]:
    """Return the hosts for which httpx uses no proxy."""
    with httpx.Client() as http:
        return [pattern.host for pattern, transport in http._mounts.items() if transport is None]  # noqa: SLF001 - it has no public name


@pytest.mark.parametrize(
    ("variables", "url", "advice"),
    [
        ({}, "http://127.0.0.1:1", None),
        ({"HTTP_PROXY": "http://user:secret@p"}, "http://127.0.0.1:1", "HTTP_PROXY may have led"),
        ({"ALL_PROXY": "p", "http_proxy": "p"}, "http://127.0.0.1:1", "ALL_PROXY and http_proxy may have led"),
        ({"HTTP_PROXY": "p"}, "https://127.0.0.1:1", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "a,127.0.0.1"}, "http://127.0.0.1:1", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "127.0.0.1:1"}, "http://127.0.0.1:1", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "::1"}, "http://[::1]:1", None),
    ],
)
def test_advice_names_the_variable_and_the_host(
    environ: pytest.MonkeyPatch, variables: dict[str, str], url: str, advice: str | None
) -> None:
    for name, value in variables.items():
        environ.setenv(name, value)
    assert proxy_advice(url) == (
        None if advice is None else f"{advice} the requests to a proxy: add 127.0.0.1 to NO_PROXY"
    )
