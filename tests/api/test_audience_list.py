"""`GET /audience` over TCP: the documented responses, and how requests may look."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pydantic import TypeAdapter

from mock_atoms import MockServer, openapi
from mock_atoms.contract.operations import LIST_AUDIENCES
from mock_atoms.contract.schemas import Audience, success_envelope
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.setting_types import RESERVED_SEGMENTS
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import api_fields
from tests.helpers.audiences import ACME, bearer

JSON = "application/json; charset=utf-8"
UNAUTHORIZED = b'{"status":false,"errors":["Unauthorized: User not found"]}'


def test_a_caller_gets_the_audiences_of_its_token(client: httpx.Client) -> None:
    response = client.get("/audience", headers=ACME)
    assert response.status_code == 200
    assert response.headers["content-type"] == JSON
    audiences = Fixtures(Generator("atoms"), "en_US").initial_data(caller_for("sk_acme")).audiences
    assert response.content == render_json({"status": True, "data": [api_fields(audience) for audience in audiences]})


@pytest.mark.parametrize("word", ["", "mock_empty", "mock_one", "mock_many", "mock_sparse", "mock_unicode"])
def test_a_response_has_the_documented_shape(client: httpx.Client, word: str) -> None:
    response = client.get("/audience", headers=bearer(f"sk_{word}"))
    shape = success_envelope(LIST_AUDIENCES, list[Audience])
    served = TypeAdapter(shape).validate_json(response.content, strict=True)
    assert served == response.json()


def test_member_counts_are_json_integers(client: httpx.Client) -> None:
    body = client.get("/audience", headers=ACME).text
    assert '"memberCount":' in body
    assert '.0,"hasCampaigns"' not in body


def test_each_response_has_its_own_request_id(client: httpx.Client) -> None:
    requests = [client.get("/audience", headers=ACME), client.get("/audience"), client.get("/nowhere")]
    ids = [uuid.UUID(response.headers["x-request-id"]) for response in requests]
    assert len(set(ids)) == 3


def test_the_same_requests_get_the_same_request_ids() -> None:
    def ids() -> list[str]:
        with MockServer() as mock, httpx.Client(base_url=mock.url) as http:
            return [http.get("/audience", headers=ACME).headers["x-request-id"] for _ in range(3)]

    assert ids() == ids()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing-credentials"),
        ({"Authorization": ""}, "malformed-authorization"),
        ({"Authorization": "Basic c2s6YWNtZQ=="}, "malformed-authorization"),
        ({"Authorization": "Bearer"}, "malformed-authorization"),
        ({"Authorization": "Bearer a b"}, "malformed-authorization"),
        (bearer("sk_mock_revoked.mine"), "revoked-token"),
    ],
)
def test_an_unauthenticated_request_gets_the_documented_401(
    client: httpx.Client, headers: dict[str, str], reason: str
) -> None:
    response = client.get("/audience", headers=headers)
    assert response.status_code == 401
    assert response.content == UNAUTHORIZED
    assert response.headers["content-type"] == JSON
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["x-mock-atoms-reason"] == reason


def test_only_listed_tokens_are_valid() -> None:
    with MockServer(tokens="sk_acme,sk_b") as mock:
        assert httpx.get(f"{mock.url}/audience", headers=ACME).status_code == 200
        other = httpx.get(f"{mock.url}/audience", headers=bearer("sk_c"))
        assert (other.status_code, other.headers["x-mock-atoms-reason"]) == (401, "unknown-token")


def test_the_session_cookie_authenticates_like_the_header(client: httpx.Client) -> None:
    by_cookie = client.get("/audience", headers={"Cookie": "session=sk_acme"})
    assert by_cookie.content == client.get("/audience", headers=ACME).content


def test_a_get_may_have_a_json_body(client: httpx.Client) -> None:
    response = client.request("GET", "/audience", headers=ACME, json={})
    assert response.status_code == 200


def test_a_trailing_slash_works_without_a_redirect(client: httpx.Client) -> None:
    response = client.get("/audience/", headers=ACME, follow_redirects=False)
    assert response.content == client.get("/audience", headers=ACME).content


@pytest.mark.parametrize(("headers", "status"), [(ACME, 200), ({}, 401), (ACME | {"Prefer": "code=500"}, 500)])
def test_head_responds_like_get_without_the_body(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    head, get = client.head("/audience", headers=headers), client.get("/audience", headers=headers)
    assert head.status_code == get.status_code == status
    assert head.content == b""
    kept = ("content-type", "content-length", "www-authenticate", "x-mock-atoms-fault")
    assert [head.headers.get(name) for name in kept] == [get.headers.get(name) for name in kept]


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", "/whatever", "Cannot GET /atoms/v1/whatever"),
        ("GET", "/", "Cannot GET /atoms/v1/"),
        ("GET", "/%61udience", "Cannot GET /atoms/v1/%61udience"),
        ("GET", "/audience%2F", "Cannot GET /atoms/v1/audience%2F"),
        ("GET", "/audience//", "Cannot GET /atoms/v1/audience//"),
        ("POST", "/audience/x/y", "Cannot POST /atoms/v1/audience/x/y"),
        ("PATCH", "/audience", "Cannot PATCH /atoms/v1/audience"),
        ("OPTIONS", "/audience", "Cannot OPTIONS /atoms/v1/audience"),
        ("GET", "/a?query=not-shown", "Cannot GET /atoms/v1/a"),
        ("GET", "/%3Cb%3E&'", "Cannot GET /atoms/v1/%3Cb%3E&amp;&#x27;"),
        ("GET", "/docs", "Cannot GET /atoms/v1/docs"),
        ("GET", "/openapi.json", "Cannot GET /atoms/v1/openapi.json"),
    ],
)
def test_an_unknown_route_gets_the_express_page(client: httpx.Client, method: str, path: str, shown: str) -> None:
    response = client.request(method, path, headers=ACME)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-mock-atoms-reason"] == "unmocked-route"
    assert f"<pre>{shown}</pre>" in response.text


def test_a_path_outside_the_base_path_has_its_own_reason(server: MockServer) -> None:
    response = httpx.get(f"{server.root_url}/audience", headers=ACME)
    assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (404, "outside-base-path")
    assert "<pre>Cannot GET /audience</pre>" in response.text
    assert httpx.get(f"{server.url}x/audience").headers["x-mock-atoms-reason"] == "outside-base-path"


def test_an_unknown_upgrade_is_ignored(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    headers = ACME | {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA",
    }
    assert client.get("/audience", headers=headers).status_code == 200
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


def test_no_own_path_of_the_server_may_be_the_base_path() -> None:
    own = {CONTROL_PREFIX, openapi.DOCUMENT_PATH, openapi.PAGE_PATH, openapi.ASSETS_PATH}
    assert {f"/{segment}" for segment in RESERVED_SEGMENTS} == own


@pytest.mark.parametrize(("base_path", "path"), [("/", ""), ("/api/v1", "/api/v1"), ("/api/v1/", "/api/v1")])
def test_the_base_path_can_be_changed(base_path: str, path: str) -> None:
    with MockServer(base_path=base_path) as mock:
        assert mock.url == mock.root_url + path
        assert httpx.get(f"{mock.url}/audience", headers=ACME).status_code == 200
        assert httpx.get(f"{mock.root_url}/__admin/health").status_code == 200
        assert httpx.get(f"{mock.root_url}/nowhere").status_code == 404


def test_a_preflight_from_localhost_is_allowed(client: httpx.Client) -> None:
    preflight = {
        "Origin": "http://localhost:5173",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = client.options("/audience", headers=preflight)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert response.headers["access-control-allow-headers"] == "authorization,content-type"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert uuid.UUID(response.headers["x-request-id"]).version == 4


@pytest.mark.parametrize("headers", [ACME, {}, ACME | {"Prefer": "code=500"}])
def test_a_browser_may_read_every_response(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.get("/audience", headers={**headers, "Origin": "https://127.0.0.1:8443"})
    assert response.headers["access-control-allow-origin"] == "https://127.0.0.1:8443"
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert exposed[:4] == ["x-request-id", "x-mock-atoms-fault", "x-mock-atoms-reason", "retry-after"]
    assert exposed[4:] == ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]


@pytest.mark.parametrize(
    ("setting", "origin", "allowed"),
    [
        ("localhost", "https://app.test", None),
        ("localhost", "http://localhost.app.test", None),
        ("https://app.test", "https://app.test", "https://app.test"),
        ("https://app.test", "http://localhost:5173", None),
        ("https://app.test,localhost", "http://localhost:5173", "http://localhost:5173"),
        ("*", "https://app.test", "*"),
    ],
)
def test_the_settings_decide_which_origin_is_allowed(setting: str, origin: str, allowed: str | None) -> None:
    with MockServer(cors_origin=setting) as mock:
        response = httpx.get(f"{mock.url}/audience", headers=ACME | {"Origin": origin})
        assert response.headers.get("access-control-allow-origin") == allowed


def test_two_servers_with_one_seed_send_equal_bytes() -> None:
    tokens = [f"sk_team_{number}" for number in range(100)]

    def bodies(order: list[str]) -> dict[str, bytes]:
        with MockServer(seed="shared") as mock, httpx.Client(base_url=mock.url) as http:
            return {token: http.get("/audience", headers=bearer(token)).content for token in order}

    first = bodies(tokens)
    assert first == bodies(tokens[::-1])
    assert len(set(first.values())) == 100


def test_parallel_requests_get_the_same_responses(client: httpx.Client) -> None:
    def body(number: int) -> bytes:
        return client.get("/audience", headers={"Authorization": f"Bearer sk_team_{number % 20}"}).content

    alone = [body(number) for number in range(20)]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(body, range(200)))
    assert together == alone * 10


def test_paths_are_case_sensitive(client: httpx.Client) -> None:
    assert client.get("/Audience", headers=ACME).status_code == 404
