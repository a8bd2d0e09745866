"""The image through testcontainers, as docs/python.md shows it."""

import httpx
import pytest

from mock_atoms import ControlError, MockAtomsContainer, Settings
from tests.helpers.audiences import ACME
from tests.helpers.snippets import Snippet, read_snippets

SNIPPETS = [snippet for snippet in read_snippets() if (snippet.language, snippet.label) == ("python", "container")]


@pytest.fixture(autouse=True)
def _without_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    # The reaper is another image to pull; these tests stop their containers themselves.
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_a_snippet_of_the_docs_passes(snippet: Snippet) -> None:
    names: dict[str, object] = {}
    exec(compile(snippet.text, str(snippet), "exec"), names)
    test = names["test_in_a_container"]
    assert callable(test)
    test()


def test_settings_reach_the_container() -> None:
    with MockAtomsContainer(base_path="/", admin_token="verysecret", journal_size=1) as container:
        assert container.url == container.mock.root_url
        for _ in range(2):
            assert httpx.get(f"{container.url}/audience", headers=ACME).status_code == 200
        assert len(container.mock.requests()) == 1
        assert httpx.get(f"{container.url}/__admin/requests").status_code == 401
        mock = container.mock
    with pytest.raises(ControlError, match="no mock server responds"):
        mock.requests()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^unknown setting: nothing$"):
        MockAtomsContainer(nothing="x")


@pytest.mark.parametrize("name", ["port", "host"])
def test_an_address_is_refused(name: str) -> None:
    message = f"^the setting {name} is not supported: the container chooses its address, see `url`$"
    with pytest.raises(TypeError, match=message):
        MockAtomsContainer(**{name: "x"})


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name.startswith("tls")])
def test_a_setting_of_tls_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"^the setting {name} is not supported: use MockServer for HTTPS$"):
        MockAtomsContainer(**{name: "x"})
