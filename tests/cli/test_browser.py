import pytest

from mock_atoms import MockServer
from tests.cli.conftest import Run
from tests.helpers.cli import run_command, run_in_terminal


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    urls: list[str] = []
    monkeypatch.setattr("webbrowser.open", urls.append)
    return urls


def test_the_address_of_the_dashboard_is_printed(server: MockServer, run: Run, opened: list[str]) -> None:
    assert run("open") == (0, f"{server.root_url}/__admin/\n", "")
    assert opened == []


def test_a_terminal_opens_the_browser(server: MockServer, opened: list[str]) -> None:
    url = f"{server.root_url}/__admin/"
    assert run_in_terminal("open", "--url", server.url) == (0, f"{url}\n", "")
    assert opened == [url]
    run_in_terminal("open", "--print", "--url", server.url)
    assert opened == [url]


def test_a_server_that_does_not_respond_has_no_dashboard(opened: list[str]) -> None:
    assert run_command("open", "--url", "http://127.0.0.1:1").code == 1
    assert opened == []
