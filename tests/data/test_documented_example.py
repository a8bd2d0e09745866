"""The example of the vendor's documentation (S), which `sk_documented` has without a fixture file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from mock_atoms import MockServer, create_app
from mock_atoms.contract.schemas import Audience
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.fixture_folder import read_file
from mock_atoms.data.fixtures import DOCUMENTED_EXAMPLE, DOCUMENTED_TOKEN, FixtureData, Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from tests.helpers.asgi import bearer_pairs, call
from tests.helpers.audiences import bearer, list_audiences

DOCUMENTED: dict[str, Any] = {
    "_id": "60d0fe4f5311236168a109ca",
    "name": "Spring Sale Audience",
    "description": "Customers interested in spring promotions",
    "phoneNumberColumnName": "contact_number",
    "organization": "60d0fe4f5311236168a109cb",
    "createdBy": "60d0fe4f5311236168a109cc",
    "createdAt": "2025-01-15T10:30:00.000Z",
    "updatedAt": "2025-02-01T12:00:00.000Z",
    "memberCount": 1523,
    "hasCampaigns": True,
    "campaigns": [
        {
            "_id": "70e1af5b8a3c4d2f9b7e1234",
            "name": "Spring Launch Campaign",
            "status": "active",
            "createdAt": "2024-12-20T09:30:00Z",
        }
    ],
}
OVERRIDE = '{"tokens": ["sk_documented"], "audiences": [{"name": "Mine"}]}'


@pytest.fixture
def fixtures() -> Fixtures:
    return Fixtures(Generator("atoms"), "en_US")


def test_the_documented_token_has_the_documented_example(fixtures: Fixtures) -> None:
    (audience,) = fixtures.initial_data(caller_for(DOCUMENTED_TOKEN)).audiences
    assert audience == DOCUMENTED
    assert list(audience) == list(Audience.__annotations__)


def test_the_documented_example_is_a_complete_fixture_file(fixtures: Fixtures) -> None:
    file = read_file(DOCUMENTED_EXAMPLE)
    built_in = fixtures.initial_data(caller_for(DOCUMENTED_TOKEN))
    from_file = run_without_pauses(fixtures.from_fixture_file(file, DOCUMENTED_TOKEN))
    assert file.tokens == [DOCUMENTED_TOKEN]
    assert (from_file.audiences, from_file.organization) == (built_in.audiences, built_in.organization)


def test_the_documented_example_is_read_when_its_token_is_first_seen(
    fixtures: Fixtures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        assert fixtures.initial_data(caller_for("sk_acme")).audiences
        with pytest.raises(AssertionError):
            fixtures.initial_data(caller_for(DOCUMENTED_TOKEN))
    assert fixtures.initial_data(caller_for(DOCUMENTED_TOKEN)).audiences == [DOCUMENTED]


def test_serve_has_the_documented_example() -> None:
    command = [sys.executable, "-m", "mock_atoms", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = next(word for word in process.stdout.readline().split() if word.endswith("/atoms/v1"))
            assert list_audiences(url, DOCUMENTED_TOKEN).json()["data"] == [DOCUMENTED]
        finally:
            process.terminate()


def test_a_mock_server_has_the_documented_example(server: MockServer) -> None:
    assert list_audiences(server.url, DOCUMENTED_TOKEN).json()["data"] == [DOCUMENTED]


def test_an_app_has_the_documented_example() -> None:
    response = call(create_app(), "/atoms/v1/audience", bearer_pairs(DOCUMENTED_TOKEN))
    assert json.loads(response.body)["data"] == [DOCUMENTED]


@pytest.mark.slow
def test_the_plugin_has_the_documented_example(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"""
        import httpx

        def test_documented(mock_atoms):
            response = httpx.get(mock_atoms.url + "/audience", headers={bearer(DOCUMENTED_TOKEN)})
            assert response.json()["data"][0]["name"] == "Spring Sale Audience"
    """)
    pytester.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=1)


def test_a_fixture_file_overrides_the_documented_example(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(OVERRIDE, encoding="utf-8")
    with MockServer(fixtures=tmp_path) as mock:
        (audience,) = list_audiences(mock.url, DOCUMENTED_TOKEN).json()["data"]
        foreign = httpx.get(f"{mock.url}/audience/{DOCUMENTED['_id']}/members", headers=bearer("sk_acme"))
    assert audience["name"] == "Mine"
    assert foreign.status_code == 404


def test_an_import_overrides_the_documented_example(fixtures: Fixtures) -> None:
    caller = caller_for(DOCUMENTED_TOKEN)
    fixtures.import_data({})
    assert fixtures.initial_data(caller).audiences == [DOCUMENTED]
    imported = InitialData([{"name": "Mine"}])
    fixtures.import_data({caller.tenant.token_digest: FixtureData(caller.tenant.label, imported)})
    assert fixtures.initial_data(caller) is imported


def test_valid_tokens_decide_about_the_documented_token() -> None:
    with MockServer(tokens="sk_acme") as mock:
        assert list_audiences(mock.url, DOCUMENTED_TOKEN).status_code == 401


def test_a_created_audience_has_the_documented_organization() -> None:
    with MockServer() as mock:
        fields = {"name": "New", "phoneNumberColumnName": "phone"}
        files = {"file": ("members.csv", b"phone\n+14155550123\n")}
        headers = bearer(DOCUMENTED_TOKEN)
        created = httpx.post(f"{mock.url}/audience", headers=headers, data=fields, files=files).json()["data"]
    assert (created["organization"], created["createdBy"]) == (DOCUMENTED["organization"], DOCUMENTED["createdBy"])
