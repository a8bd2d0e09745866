"""Documented behaviour of each operation."""

import gc
import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.core.masking import MAX_MESSAGE_LENGTH
from mock_atoms.data.models import REMOVED_INDEX_BYTES
from mock_atoms.state.changes import TenantChanges
from tests.helpers.audiences import bearer

gzipped = partial(gzip.compress, mtime=0)

TOKEN = "sk_operations"
NONE = "65a000000000000000000000"
NO_COLUMN = 'CSV file has no column named "p". It has: "phone", "name"'
DUPLICATES = (
    "Some phone numbers in your CSV already exist in this audience. Please remove duplicate entries and try again."
)
DETAIL = ["_id", "name", "description", "phoneNumberColumnName", "organization", "createdBy", "createdAt", "updatedAt"]
CSV = "phone,name\n+14155550100,Ada\n+14155550101,Grace\n+14155550102,Edsger\n"


@pytest.fixture(scope="module")
def running() -> Iterator[MockServer]:
    with MockServer(now="2026-01-31T09:00:00Z", fixtures="fixtures") as server:
        yield server


@pytest.fixture
def mock(running: MockServer) -> MockServer:
    """Return the server of this module, without what other tests left."""
    running.reset()
    return running


@pytest.fixture
def http(mock: MockServer) -> Iterator[httpx.Client]:
    """Return a client whose tenant has one generated audience with 12 members."""
    initial_data = {"token": TOKEN, "generate": {"audiences": 1, "members": 12, "withCampaigns": 0}}
    httpx.put(f"{mock.root_url}/__admin/tenants", json=initial_data).raise_for_status()
    with httpx.Client(base_url=mock.url, headers=bearer(TOKEN)) as client:
        yield client


class GeneratedAudience(NamedTuple):
    """The generated audience as it is listed, its path and its members."""

    listed: dict[str, Any]
    path: str
    members: list[dict[str, Any]]


@pytest.fixture
def generated(http: httpx.Client) -> GeneratedAudience:
    (listed,) = http.get("/audience").json()["data"]
    path = f"/audience/{listed['_id']}"
    return GeneratedAudience(listed, path, http.get(f"{path}/members?offset=100").json()["data"]["members"])


def create(http: httpx.Client, csv: str = CSV, **fields: str) -> dict[str, Any]:
    form = {"name": "Pioneers", "phoneNumberColumnName": "phone"} | fields
    response = http.post("/audience", data=form, files={"file": ("people.csv", csv, "text/csv")})
    assert response.status_code == 200, response.text
    created: dict[str, Any] = response.json()["data"]
    return created


def errors(response: httpx.Response) -> tuple[int, list[str]]:
    body = response.json()
    assert body.keys() == {"status", "errors"}
    assert body["status"] is False
    return response.status_code, body["errors"]


def test_an_audience_is_created_from_a_csv_file(http: httpx.Client, generated: GeneratedAudience) -> None:
    created = create(http, description="First of all", identifierColumnName="name")
    assert list(created) == [*DETAIL[:4], "identifierColumnName", *DETAIL[4:]]
    assert created["_id"].startswith("697dc490")
    assert (created["name"], created["description"], created["identifierColumnName"]) == (
        "Pioneers",
        "First of all",
        "name",
    )
    assert (created["organization"], created["createdBy"]) == (
        generated.listed["organization"],
        generated.listed["createdBy"],
    )
    assert created["createdAt"] == created["updatedAt"] == "2026-01-31T09:00:00.000Z"
    page = http.get(f"/audience/{created['_id']}/members").json()["data"]
    assert [member["data"] for member in page["members"]] == [
        {"phone": "+14155550100", "name": "Ada"},
        {"phone": "+14155550101", "name": "Grace"},
        {"phone": "+14155550102", "name": "Edsger"},
    ]


def test_the_message_about_a_long_value_is_cut(http: httpx.Client) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    status, (message,) = errors(http.post(path, json={"members": [{"phone": "é" * 1_000_000}]}))
    assert (status, len(message), message[-3:]) == (400, MAX_MESSAGE_LENGTH + 1, "éé…")


def test_optional_fields_of_an_upload_stay_absent(http: httpx.Client) -> None:
    assert list(create(http)) == ["_id", "name", *DETAIL[3:]]
    assert create(http, description="")["description"] == ""


def test_a_created_audience_is_listed_last_with_its_count(http: httpx.Client, generated: GeneratedAudience) -> None:
    created = create(http)
    first, second = http.get("/audience").json()["data"]
    assert first == generated.listed
    assert second == created | {"memberCount": 3, "hasCampaigns": False, "campaigns": []}


@pytest.mark.parametrize(
    ("form", "file", "messages"),
    [
        ({"name": "x", "phoneNumberColumnName": "phone"}, None, ["CSV file is required"]),
        ({"phoneNumberColumnName": "phone"}, CSV, ["name is required"]),
        ({"name": " ", "phoneNumberColumnName": ""}, CSV, ["name is required", "phoneNumberColumnName is required"]),
        (
            {"name": "x", "phoneNumberColumnName": "p"},
            CSV,
            ['CSV file has no column named "p". It has: "phone", "name"'],
        ),
        (
            {"name": "x", "phoneNumberColumnName": "phone"},
            "phone\n+14155550100\n14155550100\n",
            [DUPLICATES],
        ),
    ],
)
def test_an_invalid_upload_stores_nothing(
    http: httpx.Client, form: dict[str, str], file: str | None, messages: list[str]
) -> None:
    files = {"file": ("x.csv", file)} if file else {"other": ("", "")}
    before = http.get("/audience").content
    assert errors(http.post("/audience", data=form, files=files)) == (400, messages)
    assert http.get("/audience").content == before


def test_an_audience_has_the_documented_keys_only(http: httpx.Client, generated: GeneratedAudience) -> None:
    detail = http.get(generated.path).json()["data"]
    assert list(detail) == DETAIL
    assert detail == {key: generated.listed[key] for key in DETAIL}


def test_omitted_keys_are_absent_everywhere(mock: MockServer) -> None:
    headers = bearer("sk_mock_sparse.operations")
    listed = httpx.get(f"{mock.url}/audience", headers=headers).json()["data"]
    for audience in listed:
        if "_id" in audience:
            detail = httpx.get(f"{mock.url}/audience/{audience['_id']}", headers=headers).json()["data"]
            assert detail == {key: value for key, value in audience.items() if key in DETAIL}
            members = httpx.get(f"{mock.url}/audience/{audience['_id']}/members", headers=headers).json()["data"]
            assert members["totalCount"] == audience.get("memberCount", members["totalCount"]) > 0


@pytest.mark.parametrize("kind", ["generated", "created"])
def test_a_deleted_audience_is_gone_everywhere(http: httpx.Client, generated: GeneratedAudience, kind: str) -> None:
    path = generated.path if kind == "generated" else f"/audience/{create(http)['_id']}"
    response = http.delete(path)
    assert (response.status_code, response.json()) == (200, {"status": True, "data": []})
    for method, api_path in (("GET", ""), ("DELETE", ""), ("GET", "/members"), ("GET", "/members/search?query=a")):
        assert errors(http.request(method, path + api_path)) == (404, ["Audience not found"])
    assert path.rpartition("/")[2] not in http.get("/audience").text


def test_an_audience_in_use_cannot_be_deleted(
    mock: MockServer, http: httpx.Client, generated: GeneratedAudience
) -> None:
    campaigns = f"{mock.root_url}/__admin/audiences/{generated.listed['_id']}/campaigns"
    used = httpx.put(campaigns, json={"token": TOKEN, "campaigns": [{"status": "paused"}]}).json()["audience"]
    assert http.delete(generated.path).status_code == 400
    used = httpx.put(campaigns, json={"token": TOKEN, "campaigns": [{"name": "Call them"}]}).json()["audience"]
    assert (used["hasCampaigns"], used["campaigns"][0]["name"], used["campaigns"][0]["status"]) == (
        True,
        "Call them",
        "active",
    )
    assert http.get("/audience").json()["data"] == [used]
    audience_id = generated.listed["_id"]
    message = f"can't delete audience, campaign with this audience {audience_id} exists"
    assert errors(http.delete(generated.path)) == (400, [message])
    freed = httpx.put(campaigns, json={"token": TOKEN, "campaigns": []}).json()["audience"]
    assert (freed["hasCampaigns"], freed["campaigns"]) == (False, [])
    assert http.delete(generated.path).json() == {"status": True, "data": []}


@pytest.mark.parametrize(
    "audience_id", ["x", "65a", NONE + "0", "65a00000000000000000000g", "%20", "65a0000000000000000000%20"]
)
@pytest.mark.parametrize(("method", "api_path"), [("GET", ""), ("DELETE", ""), ("GET", "/members/search?query=a")])
def test_a_malformed_id_is_a_400(http: httpx.Client, audience_id: str, method: str, api_path: str) -> None:
    assert errors(http.request(method, f"/audience/{audience_id}{api_path}")) == (400, ["Invalid audience ID"])


def test_an_id_may_be_in_upper_case(http: httpx.Client, generated: GeneratedAudience) -> None:
    capitals = f"/audience/{generated.listed['_id'].upper()}"
    assert http.get(capitals).json() == http.get(generated.path).json()
    assert http.delete(capitals).status_code == 200
    assert http.get(generated.path).status_code == 404


def every_call(http: httpx.Client, path: str) -> dict[str, int]:
    phone = [{"phone": "+14155550100"}]
    calls = {
        "get": http.get(path),
        "members": http.get(f"{path}/members"),
        "add": http.post(f"{path}/members", json={"members": phone}),
        "remove": http.request("DELETE", f"{path}/members", json={"memberIds": [NONE]}),
        "search": http.get(f"{path}/members/search?query=a"),
        "delete": http.delete(path),
    }
    return {name: response.status_code for name, response in calls.items()}


def test_an_audience_of_another_organisation_is_a_404_and_its_members_a_403(
    mock: MockServer, http: httpx.Client
) -> None:
    with httpx.Client(base_url=mock.url, headers=bearer("sk_others")) as other:
        others, created = other.get("/audience").json()["data"], create(other)
    documented = "60d0fe4f5311236168a109ca"  # the documented example, an audience of sk_documented
    hidden = dict.fromkeys(("get", "add", "remove", "search", "delete"), 404) | {"members": 403}
    for foreign in (others[0]["_id"], created["_id"], documented):
        assert every_call(http, f"/audience/{foreign}") == hidden
    assert errors(http.get(f"/audience/{documented}/members")) == (403, ["Forbidden"])
    assert every_call(http, f"/audience/{NONE}") == dict.fromkeys(hidden, 404)


def test_offset_is_the_page_size_of_members(http: httpx.Client, generated: GeneratedAudience) -> None:
    page = http.get(f"{generated.path}/members").json()["data"]
    assert page == {"members": generated.members[:5], "totalCount": 12, "totalPages": 3, "hasMore": True}
    third = http.get(f"{generated.path}/members?page=3&offset=5&limit=1").json()["data"]
    assert third == {"members": generated.members[10:], "totalCount": 12, "totalPages": 3, "hasMore": False}
    past = http.get(f"{generated.path}/members?page={'9' * 1_000}&offset=7").json()["data"]
    assert past == {"members": [], "totalCount": 12, "totalPages": 2, "hasMore": False}


def test_an_audience_without_members_has_no_pages(http: httpx.Client, generated: GeneratedAudience) -> None:
    http.request(
        "DELETE", f"{generated.path}/members", json={"memberIds": [member["_id"] for member in generated.members]}
    )
    page = http.get(f"{generated.path}/members").json()["data"]
    assert page == {"members": [], "totalCount": 0, "totalPages": 0, "hasMore": False}


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "offset=0",
        "page=x",
        "page=",
        "offset=1.5",
        "page=1&page=2",
        "offset=%31%00",
        f"page={'9' * 1_001}",
    ],
)
def test_an_invalid_page_is_a_400_with_status_error(
    http: httpx.Client, generated: GeneratedAudience, query: str
) -> None:
    response = http.get(f"{generated.path}/members?{query}")
    name = query.partition("=")[0]
    assert response.status_code == 400
    assert response.json() == {"status": "error", "errors": [f"{name} must be a positive integer"]}
    malformed = http.get("/audience/x/members")
    assert malformed.json() == {"status": "error", "errors": ["Invalid audience ID"]}


def test_the_helpers_search_filters_the_pages(http: httpx.Client, generated: GeneratedAudience) -> None:
    number = generated.members[7]["data"][generated.listed["phoneNumberColumnName"]]
    page = http.get(f"{generated.path}/members", params={"search": number}).json()["data"]
    assert page == {"members": [generated.members[7]], "totalCount": 1, "totalPages": 1, "hasMore": False}


def test_existing_members_are_skipped(http: httpx.Client, generated: GeneratedAudience) -> None:
    column = generated.listed["phoneNumberColumnName"]
    existing = generated.members[3]["data"][column]
    first, again, second = {column: "+15550100001"}, {column: "15550100001", "x": 1}, {column: "15550100002", "y": [2]}
    members = [first, again, {column: existing}, second]
    response = http.post(f"{generated.path}/members", json={"members": members})
    assert response.json() == {
        "status": True,
        "data": [{"message": "2 members added successfully", "data": {"added": 2, "skipped": 2}}],
    }
    page = http.get(f"{generated.path}/members?page=2&offset=12").json()["data"]
    assert [member["data"] for member in page["members"]] == [first, second]
    assert all(member["_id"].startswith("697dc490") for member in page["members"])
    (listed,) = http.get("/audience").json()["data"]
    assert listed == generated.listed | {"memberCount": 14, "updatedAt": "2026-01-31T09:00:00.000Z"}
    assert http.post(f"{generated.path}/members", json={"members": []}).json()["data"][0]["data"] == {
        "added": 0,
        "skipped": 0,
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"members": [{"phone": "+14155550109"}, {"name": "Ada"}]}, "Each member must have a phone field"),
        ({"members": [{"phone": ""}]}, "Each member must have a phone field"),
        ({"members": [{"phone": "+14155550109", "a": [0] * 9_999}]}, "A member can have at most 10000 values"),
        ({"members": [{"phone": None}]}, "Each member must have a phone field"),
        ({"members": ["+14155550109"]}, "members must be a list of objects"),
        ({"members": {"phone": "+14155550109"}}, "members must be a list of objects"),
        ({}, "members is required"),
        ([], "members is required"),
    ],
)
def test_invalid_members_change_nothing(http: httpx.Client, body: object, message: str) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    before = http.get(path).content
    assert errors(http.post(path, json=body)) == (400, [message])
    assert http.get(path).content == before


def test_a_member_may_have_10000_values(http: httpx.Client) -> None:
    member = {"phone": "+14155550109", "a": [0] * 9_998}
    response = http.post(f"/audience/{create(http)['_id']}/members", json={"members": [member]})
    assert response.status_code == 200


def test_a_column_in_another_unicode_form_is_named(http: httpx.Client) -> None:
    files = {"file": ("x.csv", "T\u00e9l\n5550100\n".encode())}
    created = http.post("/audience", data={"name": "x", "phoneNumberColumnName": "T\u00e9l"}, files=files).json()[
        "data"
    ]
    response = http.post(f"/audience/{created['_id']}/members", json={"members": [{"Te\u0301l": "5550101"}]})
    assert errors(response) == (
        400,
        [
            "Each member must have a T\u00e9l field",
            "The field T\u00e9l only looks the same: a member has it in NFD, the audience in NFC",
        ],
    )


@pytest.mark.parametrize(
    "number", ["555-1234", "+1 415 555 0100", "0", "+0123456789", "1" * 16, "123456", 14155550100, [], "+", "٣" * 9]
)
def test_an_invalid_phone_number_is_a_400(http: httpx.Client, number: object) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    status, (message,) = errors(http.post(path, json={"members": [{"phone": number}]}))
    assert status == 400
    assert message.startswith(f"Invalid phone number: {number}. ")


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (
            b"{",
            "application/json",
            "Invalid JSON: Expecting property name enclosed in double quotes at line 1, column 2",
        ),
        (
            b'{"members": [{"phone": "\\ud800"}]}',
            "application/json",
            "Invalid JSON: half of a surrogate pair, which UTF-8 cannot encode",
        ),
        (b'{"members": []}', "text/plain", "members is required"),
        (
            b'{"members": []}',
            "application/json" + ";a=b" * 101,
            "Invalid Content-Type: a header has more than 100 parameters",
        ),
        (b"", "application/json", "members is required"),
        (b" " * (5 * 1024 * 1024 + 1), "application/json", "Request body too large: at most 5242880 bytes (5 MB)"),
    ],
)
def test_an_unreadable_body_is_a_400(
    http: httpx.Client, generated: GeneratedAudience, content: bytes, kind: str, message: str
) -> None:
    response = http.post(f"{generated.path}/members", content=content, headers={"Content-Type": kind})
    assert errors(response) == (400, [message])


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Encoding": "gzip"}, gzipped(b'{"members": []}')),
        ({"Content-Encoding": "Deflate"}, zlib.compress(b'{"members": []}')),
        ({"Content-Encoding": "identity"}, b'{"members": []}'),
        ({"Content-Encoding": ""}, b'{"members": []}'),
        ({"Content-Type": "application/json; charset=UTF-8"}, b'{"members": []}'),
    ],
)
def test_a_compressed_body_is_inflated(
    http: httpx.Client, generated: GeneratedAudience, headers: dict[str, str], content: bytes
) -> None:
    response = http.post(
        f"{generated.path}/members", content=content, headers={"Content-Type": "application/json"} | headers
    )
    assert response.json()["data"][0]["data"]["added"] == 0


@pytest.mark.parametrize(
    ("headers", "content", "status", "message"),
    [
        ({"Content-Encoding": "gzip"}, b'{"members": []}', 400, "Invalid gzip body: incorrect header check"),
        (
            {"Content-Encoding": "gzip"},
            gzipped(b'{"members": []}')[:-1],
            400,
            "Invalid gzip body: unexpected end of file",
        ),
        ({"Content-Encoding": "gzip"}, b"", 400, "Invalid gzip body: unexpected end of file"),
        (
            {"Content-Encoding": "gzip"},
            gzipped(b" " * (5 * 1024 * 1024 + 1)),
            400,
            "Request body too large: at most 5242880 bytes (5 MB)",
        ),
        ({"Content-Encoding": "br"}, b"\x0b", 415, 'unsupported content encoding "br"'),
        ({"Content-Encoding": "gzip, deflate"}, b"", 415, 'unsupported content encoding "gzip, deflate"'),
        ({"Content-Type": "application/json; charset=latin1"}, b"{}", 415, 'unsupported charset "LATIN1"'),
    ],
)
def test_a_body_in_another_encoding_is_refused_as_by_express(  # noqa: PLR0917 - a table
    http: httpx.Client,
    generated: GeneratedAudience,
    headers: dict[str, str],
    content: bytes,
    status: int,
    message: str,
) -> None:
    response = http.post(
        f"{generated.path}/members", content=content, headers={"Content-Type": "application/json"} | headers
    )
    assert errors(response) == (status, [message])


def test_the_content_encoding_of_an_upload_is_ignored(http: httpx.Client) -> None:
    form = {"name": "x", "phoneNumberColumnName": "phone"}
    response = http.post("/audience", data=form, files={"file": ("x.csv", CSV)}, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 200


def test_an_audience_has_at_most_10000_members(mock: MockServer, http: httpx.Client) -> None:
    initial_data = {"token": TOKEN, "generate": {"audiences": 1, "members": 9_990}}
    (listed,) = httpx.put(f"{mock.root_url}/__admin/tenants", json=initial_data).json()["audiences"]
    path, column = f"/audience/{listed['_id']}/members", listed["phoneNumberColumnName"]
    new = [{column: f"+1555010{number:04d}"} for number in range(15)]
    message = (
        "Cannot add 15 members. You currently have 9990 members in this audience. "
        "The maximum limit is 10000 members. You can add up to 10 more members."
    )
    assert errors(http.post(path, json={"members": new})) == (400, [message])
    assert http.post(path, json={"members": new[:10]}).json()["data"][0]["data"] == {"added": 10, "skipped": 0}
    assert http.get(path).json()["data"]["totalCount"] == 10_000
    status, (full,) = errors(http.post(path, json={"members": new[10:11]}))
    assert (status, full.endswith("You can add up to 0 more members.")) == (400, True)


def test_members_are_deleted_by_their_ids(http: httpx.Client, generated: GeneratedAudience) -> None:
    ids = [generated.members[0]["_id"], generated.members[5]["_id"].upper(), generated.members[0]["_id"], NONE, "x"]
    response = http.request("DELETE", f"{generated.path}/members", json={"memberIds": ids})
    assert response.json() == {"status": True, "data": {"deletedCount": 2}}
    again = http.request("DELETE", f"{generated.path}/members", json={"memberIds": ids})
    assert again.json()["data"] == {"deletedCount": 0}
    left = http.get(f"{generated.path}/members?offset=100").json()["data"]
    assert (left["members"], left["totalCount"]) == (generated.members[1:5] + generated.members[6:], 10)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "memberIds is required"),
        ({"memberIds": "x"}, "memberIds must be a list of strings"),
        ({"memberIds": [1]}, "memberIds must be a list of strings"),
    ],
)
def test_member_ids_must_be_a_list_of_strings(
    http: httpx.Client, generated: GeneratedAudience, body: object, message: str
) -> None:
    assert errors(http.request("DELETE", f"{generated.path}/members", json=body)) == (400, [message])


def test_a_deleted_number_can_be_added_again(http: httpx.Client, generated: GeneratedAudience) -> None:
    column = generated.listed["phoneNumberColumnName"]
    number = generated.members[4]["data"][column]
    http.request("DELETE", f"{generated.path}/members", json={"memberIds": [generated.members[4]["_id"]]})
    for expected in (1, 0):
        added = http.post(f"{generated.path}/members", json={"members": [{column: number}]}).json()["data"][0]["data"]
        assert added == {"added": expected, "skipped": 1 - expected}
    assert http.get(f"{generated.path}/members?offset=20").json()["data"]["members"][-1]["data"] == {column: number}


def found(response: httpx.Response) -> list[str]:
    result = response.json()["data"]
    assert result["searchInfo"]["totalResults"] == len(result["members"])
    return [member["data"]["name"] for member in result["members"]]


def test_a_general_search_finds_text_in_any_column(http: httpx.Client) -> None:
    path = f"/audience/{create(http)['_id']}/members/search"
    assert found(http.get(f"{path}?query=AD")) == ["Ada"]
    assert found(http.get(f"{path}?query=5550101")) == ["Grace"]
    response = http.get(f"{path}?query=a")
    assert found(response) == ["Ada", "Grace"]
    assert response.json()["data"]["searchInfo"] == {
        "searchType": "general",
        "searchTerm": "a",
        "searchFields": [],
        "totalResults": 2,
    }
    assert found(http.get(f"{path}?query=unknown")) == []
    assert found(http.get(f"{path}?query=.")) == []


def test_a_search_by_columns_must_match_all_of_them(http: httpx.Client) -> None:
    path = f"/audience/{create(http)['_id']}/members/search"
    response = http.get(f"{path}?name=a&phone=0101")
    assert found(response) == ["Grace"]
    assert response.json()["data"]["searchInfo"] == {
        "searchType": "multiple",
        "searchTerm": "a, 0101",
        "searchFields": ["name", "phone"],
        "totalResults": 1,
    }
    assert found(http.get(f"{path}?name=a&name=d")) == ["Ada"]
    assert found(http.get(f"{path}?surname=a")) == []


def test_a_search_finds_values_as_responses_show_them(http: httpx.Client) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    member = {"phone": "+14155550199", "name": "Joan", "score": 1e-7, "tags": ["é", {"level": 2}]}
    assert http.post(path, json={"members": [member]}).is_success
    assert '"score":1e-7,"tags":["é",{"level":2}]' in http.get(f"{path}/search?query=Joan").text
    assert found(http.get(f"{path}/search?query=1e-7")) == ["Joan"]
    assert found(http.get(f"{path}/search", params={"score": "1E-7", "tags": '"É",{"level":2}'})) == ["Joan"]


@pytest.mark.parametrize("query", ["", "?query=", "?name=", "?"])
def test_an_empty_search_is_a_400(http: httpx.Client, generated: GeneratedAudience, query: str) -> None:
    message = (
        "At least one search parameter is required. Use 'query' for general search across all fields, or use "
        "field-specific searches like 'firstName=john' or 'phoneNumber=123456'."
    )
    assert errors(http.get(f"{generated.path}/members/search{query}")) == (400, [message])


def test_a_search_is_either_general_or_by_columns(http: httpx.Client, generated: GeneratedAudience) -> None:
    for column in ("name", "limit", "page", "offset"):
        response = http.get(f"{generated.path}/members/search?query=a&{column}=5")
        assert errors(response) == (400, ["Use either 'query' or field-specific searches, not both"])


def test_body_and_query_are_checked_before_the_audience(http: httpx.Client) -> None:
    assert http.get(f"/audience/{NONE}/members?page=0").status_code == 400
    assert http.get(f"/audience/{NONE}/members/search").status_code == 400
    assert http.post(f"/audience/{NONE}/members", json={}).status_code == 400
    assert http.request("DELETE", f"/audience/{NONE}/members", json={}).status_code == 400


def test_other_values_are_searched_as_json(http: httpx.Client) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    http.post(path, json={"members": [{"phone": "+14155550109", "name": "x", "age": 361, "tags": ["ÄPFEL"]}]})
    assert found(http.get(f"{path}/search?age=61")) == ["x"]
    assert found(http.get(f"{path}/search?query=äpf")) == ["x"]


def test_head_and_a_trailing_slash_work_everywhere(http: httpx.Client, generated: GeneratedAudience) -> None:
    for path in (generated.path, f"{generated.path}/members", f"{generated.path}/members/search/?query=a"):
        get, head = http.get(path), http.head(path)
        assert (head.status_code, head.headers["content-length"], head.content) == (
            200,
            get.headers["content-length"],
            b"",
        )
    assert http.get(f"{generated.path}/").content == http.get(generated.path).content
    assert http.delete(f"{generated.path}/").status_code == 200


@pytest.mark.parametrize(
    ("request_line", "status", "word", "message"),
    [
        ("POST /audience", 400, False, "CSV file is required"),
        (f"GET /audience/{NONE}", 400, False, "Audience ID missing"),
        (f"DELETE /audience/{NONE}", 400, False, f"can't delete audience, campaign with this audience {NONE} exists"),
        (f"GET /audience/{NONE}/members", 400, "error", "Audience ID is required"),
        (f"GET /audience/{NONE}/members/", 500, False, "Failed to fetch audience members"),
        (f"GET /audience/{NONE}/members", 403, False, "Forbidden"),
        (f"POST /audience/{NONE}/members", 400, False, "Each member must have a phoneNumber field"),
        (f"POST /audience/{NONE}/members", 500, False, "Internal server error"),
        (f"DELETE /audience/{NONE}/members", 400, False, "Audience ID missing"),
        (f"GET /audience/{NONE}/members/search", 500, False, "Failed to search audience members"),
        ("GET /audience", 400, False, "Invalid input"),
        (f"DELETE /agent/{NONE}/archive", 409, False, "Agent is already archived"),
        (f"DELETE /agent/{NONE}/archive", 404, False, "Agent not found"),
        (
            "GET /product/phone-numbers",
            400,
            False,
            "Phone numbers are not available in your current plan. Please upgrade.",
        ),
        (f"GET /campaign/{NONE}/export/by-audience-member", 404, False, "Campaign not found"),
        (f"GET /campaign/{NONE}/logs/export", 400, False, f"no campaign found for id {NONE}"),
        ("POST /campaign", 400, False, "Invalid input"),
        ("GET /elsewhere", 500, False, "Internal server error"),
    ],
)
def test_an_injected_error_has_the_documented_message(
    http: httpx.Client, request_line: str, status: int, word: object, message: str
) -> None:
    method, path = request_line.split()
    response = http.request(method, path, headers={"Prefer": f"code={status}"})
    assert (response.status_code, response.json()) == (status, {"status": word, "errors": [message]})
    if method == "GET":
        head = http.head(path, headers={"Prefer": f"code={status}"})
        assert head.headers["content-length"] == response.headers["content-length"]


def test_a_bug_in_the_mock_is_the_500_of_the_operation(mock: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_caller: object, _look: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(mock._mock.repositories, "read", broken)  # noqa: SLF001 - a bug has no public entry
    response = httpx.get(f"{mock.url}/audience/{NONE}/members", headers=bearer(TOKEN))
    assert response.json() == {"status": False, "errors": ["Failed to fetch audience members"]}
    assert response.headers["x-mock-atoms-reason"] == "bug-in-mock"


def test_every_operation_requires_authentication(mock: MockServer) -> None:
    with httpx.Client(base_url=mock.url) as unauthenticated:
        assert set(every_call(unauthenticated, f"/audience/{NONE}").values()) == {401}
        assert unauthenticated.post("/audience", files={"file": ("x", CSV)}).status_code == 401


def test_a_reset_undoes_all_changes(mock: MockServer) -> None:
    with httpx.Client(base_url=mock.url, headers=bearer("sk_reset.me")) as http:
        generated = http.get("/audience").content
        for audience in http.get("/audience").json()["data"]:
            http.delete(f"/audience/{audience['_id']}")
        create(http)
        assert http.get("/audience").content != generated
        httpx.post(f"{mock.root_url}/__admin/reset", json={"token": "sk_reset.me"})
        assert http.get("/audience").content == generated


def test_changes_with_a_test_id_are_isolated(mock: MockServer) -> None:
    with httpx.Client(base_url=mock.url, headers=bearer("sk_tests.me")) as http:
        before = http.get("/audience").content
        created = http.post(
            "/audience",
            data={"name": "x", "phoneNumberColumnName": "phone"},
            files={"file": ("x.csv", CSV)},
            headers={"X-Test-Id": "t1"},
        ).json()["data"]
        assert http.get("/audience").content == before
        assert http.get(f"/audience/{created['_id']}").status_code == 404
        assert http.get(f"/audience/{created['_id']}", headers={"X-Test-Id": "t1"}).status_code == 200


def test_a_token_has_at_most_1000_created_audiences(monkeypatch: pytest.MonkeyPatch, http: httpx.Client) -> None:
    monkeypatch.setattr("mock_atoms.state.audiences.MAX_CREATED_AUDIENCES", 2)
    for _ in range(2):
        created = create(http)
    files = {"file": ("x.csv", CSV)}
    full = http.post("/audience", data={"name": "x", "phoneNumberColumnName": "phone"}, files=files)
    message = "mock-atoms stores at most 2 created audiences per token: delete some, or reset the token"
    assert errors(full) == (400, [message])
    assert full.headers["x-mock-atoms-reason"] == "tenant-full"
    http.delete(f"/audience/{created['_id']}")
    create(http)


def test_the_data_of_a_token_is_limited_in_bytes(monkeypatch: pytest.MonkeyPatch, http: httpx.Client) -> None:
    monkeypatch.setattr("mock_atoms.state.tenant_data.MAX_TENANT_BYTES", 10_000)
    created = create(http)
    path = f"/audience/{created['_id']}/members"
    for number in range(20):
        full = http.post(path, json={"members": [{"phone": f"+1555010{number:04d}", "text": "x" * 500}]})
        if full.status_code != 200:
            break
    message = "mock-atoms stores at most 10000 bytes of changes per token: delete some, or reset the token"
    assert errors(full) == (400, [message])
    members = http.get(f"{path}?offset=100").json()["data"]["members"]
    assert len(members) == 3 + number
    http.request("DELETE", path, json={"memberIds": [member["_id"] for member in members]})
    assert http.post(path, json={"members": [{"phone": "+15550109999", "text": "x" * 500}]}).status_code == 200


def test_a_refused_upload_is_freed(http: httpx.Client) -> None:
    form = {"name": "x", "phoneNumberColumnName": "phone"}
    gc.collect()
    gc.disable()
    try:
        for content in (b"x" * (5 * 1024 * 1024 + 1), b"", b"phone\n"):
            assert http.post("/audience", data=form, files={"file": ("x.csv", content)}).status_code == 400
        assert not [item for item in gc.get_objects() if type(item).__name__ == "_Form"]
    finally:
        gc.enable()


def test_an_id_is_decoded_after_the_path_is_split(http: httpx.Client, generated: GeneratedAudience) -> None:
    audience_id = generated.listed["_id"]
    encoded = f"/audience/%{ord(audience_id[0]):02x}{audience_id[1:]}"
    assert http.get(encoded).json() == http.get(generated.path).json()
    assert http.get(f"/audience/{audience_id}%2Fmembers").status_code == 400


@pytest.mark.parametrize("depth", [101, 950, 100_000])
def test_deeply_nested_json_is_a_400(http: httpx.Client, depth: int) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    content = '{"members": [{"phone": "+14155550109", "x": "[[", "y": ' + "[" * depth + "]" * depth + "}]}"
    response = http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert errors(response) == (400, ["Invalid JSON: nested too deep: at most 100 levels"])


def test_json_of_too_many_values_is_a_400(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    monkeypatch.setattr("mock_atoms.core.json_parsing.MAX_VALUES_BYTES", 100_000)
    status, (message,) = errors(http.post(path, json={"members": [0] * 100_000}))
    assert (status, message) == (
        400,
        "Invalid JSON: too many values, which need more than 100000 bytes of memory",
    )


def test_json_may_have_many_brackets(http: httpx.Client) -> None:
    path = f"/audience/{create(http)['_id']}/members"
    deep: list[Any] = ["]" * 200, *([[]] * 200)]
    for _ in range(90):
        deep = [deep]
    assert http.post(path, json={"members": [{"phone": "+14155550109", "x": deep}]}).status_code == 200
    assert http.get(path).json()["data"]["members"][-1]["data"]["x"] == deep


def test_a_search_has_at_most_100_parameters(http: httpx.Client, generated: GeneratedAudience) -> None:
    path = f"{generated.path}/members/search"
    assert http.get(f"{path}?{'&'.join(['name=a'] * 100)}").status_code == 200
    assert errors(http.get(f"{path}?{'&'.join(['name=a'] * 101)}")) == (
        400,
        ["Too many search parameters: at most 100"],
    )


def test_deletions_and_campaigns_count_as_data_of_a_token(
    monkeypatch: pytest.MonkeyPatch, mock: MockServer, http: httpx.Client, generated: GeneratedAudience
) -> None:
    monkeypatch.setattr("mock_atoms.state.tenant_data.MAX_TENANT_BYTES", 3_000)
    campaigns = f"{mock.root_url}/__admin/audiences/{generated.listed['_id']}/campaigns"
    refused = httpx.put(campaigns, json={"token": TOKEN, "campaigns": [{"name": "x" * 4_000}]})
    assert (refused.status_code, "at most 3000 bytes" in refused.text) == (400, True)
    monkeypatch.setattr("mock_atoms.state.tenant_data.MAX_TENANT_BYTES", 100)
    ids = [member["_id"] for member in generated.members[:3]]
    status, (message,) = errors(http.request("DELETE", f"{generated.path}/members", json={"memberIds": ids}))
    assert (status, "at most 100 bytes" in message) == (400, True)
    assert http.get(f"{generated.path}/members").json()["data"]["totalCount"] == 12


@pytest.mark.parametrize(("spare", "status"), [(0, 200), (-1, 400)])
def test_the_data_of_a_token_may_reach_its_limit(
    monkeypatch: pytest.MonkeyPatch, http: httpx.Client, generated: GeneratedAudience, spare: int, status: int
) -> None:
    limit = TenantChanges().size_bytes + 3 * REMOVED_INDEX_BYTES
    monkeypatch.setattr("mock_atoms.state.tenant_data.MAX_TENANT_BYTES", limit + spare)
    ids = [member["_id"] for member in generated.members[:3]]
    assert http.request("DELETE", f"{generated.path}/members", json={"memberIds": ids}).status_code == status


def test_a_created_audience_has_the_set_organisation(mock: MockServer) -> None:
    organization = "65a0000000000000000000ab"
    initial_data = {"token": "sk_org.me", "organization": organization, "audiences": []}
    httpx.put(f"{mock.root_url}/__admin/tenants", json=initial_data).raise_for_status()
    state = httpx.get(f"{mock.root_url}/__admin/state").json()
    httpx.put(f"{mock.root_url}/__admin/state", json=state).raise_for_status()
    with httpx.Client(base_url=mock.url, headers=bearer("sk_org.me")) as http:
        assert create(http)["organization"] == organization
