"""The official SDK without arguments, pointed at a mock."""

import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
import smallestai
from smallestai import AsyncSmallestAI, SmallestAI
from smallestai.atoms.helpers import Audience
from smallestai.environment import SmallestAIEnvironment

from mock_atoms import MockClient, MockServer
from mock_atoms.testing.sdk import KEY_VARIABLES, Override, Overrides, environment_urls, redirect_sdk

PRODUCTION = "https://api.smallest.ai/atoms/v1"
VARIABLES = ("SMALLEST_BASE_URL", "SMALLESTAI_TELEMETRY", *KEY_VARIABLES)
A, B = MockClient("http://127.0.0.1:1", token="sk_a"), MockClient("http://127.0.0.1:2", token="sk_b")


@pytest.fixture(autouse=True)
def _unset_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    yield
    assert environment() == PRODUCTION
    assert not set(VARIABLES) & set(os.environ)


def environment() -> str:
    return SmallestAIEnvironment.PRODUCTION.atoms


def key_of(client: SmallestAI | AsyncSmallestAI) -> str:
    return client._client_wrapper._get_api_key()  # noqa: SLF001 - the SDK shows it nowhere else


def test_a_client_without_environment_and_key_calls_the_mock(server: MockServer) -> None:
    with server.redirect_sdk(token="sk_bare"), httpx.Client() as pool:
        audiences = SmallestAI(httpx_client=pool).atoms.audience.list().data
        assert Audience().list()["data"][0]["_id"] == (audiences or [])[0].id
        assert key_of(AsyncSmallestAI()) == "sk_bare"
    assert [request.status for request in server.requests(token="sk_bare")] == [200, 200]


def test_a_redirection_without_a_token_keeps_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with MockClient("http://127.0.0.1:1").redirect_sdk():
        assert environment() == "http://127.0.0.1:1/atoms/v1"
        assert not set(KEY_VARIABLES) & set(os.environ)
        assert key_of(SmallestAI(api_key="mine")) == "mine"
    monkeypatch.setenv("SMALLEST_API_KEY", "mine")
    with A.redirect_sdk():
        assert os.environ["SMALLEST_API_KEY"] == "sk_a"
    assert os.environ.pop("SMALLEST_API_KEY") == "mine"


def test_a_client_with_an_environment_keeps_it() -> None:
    own = SmallestAIEnvironment(atoms="http://own", waves="", waves_ws="", payment="")
    with A.redirect_sdk():
        assert SmallestAI(environment=own)._client_wrapper.get_environment().atoms == "http://own"  # noqa: SLF001 - see above


def test_nested_redirections_return_to_the_outer_one() -> None:
    with A.redirect_sdk():
        with B.redirect_sdk():
            assert (environment(), key_of(SmallestAI())) == (B.url, "sk_b")
        assert (environment(), key_of(SmallestAI())) == (A.url, "sk_a")


def test_redirections_may_end_in_any_order() -> None:
    first, second = A.redirect_sdk(), B.redirect_sdk()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (environment(), os.environ["SMALLEST_BASE_URL"]) == (B.url, B.url)
    second.__exit__(None, None, None)


def test_a_failing_program_ends_the_redirection() -> None:
    with pytest.raises(KeyError), A.redirect_sdk():
        raise KeyError


def test_redirections_in_many_threads_leave_nothing_behind() -> None:
    barrier = Barrier(8)

    def redirect(number: int) -> None:
        for _ in range(100):
            barrier.wait()
            with redirect_sdk(f"http://127.0.0.1:{number}", f"http://127.0.0.1:{number}/x", "sk_x"):
                assert environment() != PRODUCTION

    threads = [Thread(target=redirect, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_script_runs_in_a_redirection(server: MockServer, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import httpx\nfrom smallestai import SmallestAI\n"
        "with httpx.Client() as pool:\n    audiences = SmallestAI(httpx_client=pool).atoms.audience.list().data\n"
    )
    with server.redirect_sdk(token="sk_script"):
        assert len(runpy.run_path(str(script))["audiences"]) >= 3


def test_each_release_gets_the_urls_that_it_takes() -> None:
    class Until53:
        def __init__(self, *, atoms: str, waves: str, waves_ws: str) -> None: ...

    class Later:
        def __init__(self, *, agents: str, speech: str, speech_ws: str) -> None: ...

    assert environment_urls(Until53, "https://mock", "https://mock/atoms/v1") == {
        "atoms": "https://mock/atoms/v1",
        "waves": "https://mock",
        "waves_ws": "wss://mock",
    }
    assert environment_urls(Later, "http://mock", "http://mock/x") == {
        "agents": "http://mock/x",
        "speech": "http://mock",
        "speech_ws": "ws://mock",
    }


def test_the_key_of_an_old_client_is_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def __init__(self, *, token: str | None = None) -> None:
            self.key = token

    monkeypatch.setattr(smallestai, "SmallestAI", Old)
    with A.redirect_sdk():
        assert Old().key == "sk_a"
    assert Old().key is None


def test_a_release_without_environments_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smallestai.environment", None)
    monkeypatch.setattr("mock_atoms.testing.sdk.version", lambda _name: "4.3.1")
    message = (
        r"^smallestai 4\.3\.1 has no environments: install 4\.3\.2 or later, or pass "
        r"Configuration\(host='http://127\.0\.0\.1:1/atoms/v1', access_token=…\) to its AtomsClient$"
    )
    with pytest.raises(ImportError, match=message):
        A.sdk_environment()
    with pytest.raises(ImportError, match=message), A.redirect_sdk():
        pass


def test_a_missing_sdk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smallestai", None)
    with pytest.raises(ModuleNotFoundError, match="smallestai"):
        A.sdk_environment()


def test_overrides_of_different_names_are_independent() -> None:
    values: dict[str, int] = {"a": 1}
    overrides = Overrides()
    outer, inner = overrides.applied([(values, "a", 2)]), overrides.applied([(values, "a", 3), (values, "b", 3)])
    with outer:
        with inner:
            assert values == {"a": 3, "b": 3}
        assert values == {"a": 2}
    assert values == {"a": 1}


def test_an_override_that_fails_leaves_nothing_behind() -> None:
    values: dict[str, Any] = {"a": 1}
    overrides = Overrides()
    invalid: list[Override] = [(values, "a", 2), (os.environ, "SMALLEST_API_KEY", "\0"), (values, "b", 2)]
    with pytest.raises(ValueError, match="null"), overrides.applied(invalid):
        pass
    assert values == {"a": 1}
    with overrides.applied([(values, "a", 3)]):
        assert values == {"a": 3}
    assert values == {"a": 1}
