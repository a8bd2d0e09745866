"""Parallel clients of one audience, and the responses of one tenant beside others."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from tests.state.audience_model import UNKNOWN_ID, Tenant, error_messages, success_data

CARA = Tenant("sk_cara")


def create_audience(http: httpx.Client, rows: int) -> str:
    """Create an audience with `rows` members, numbered from 14150000000."""
    file = "".join(["phone\n", *(f"{14150000000 + row}\n" for row in range(rows))]).encode()
    fields = {"name": "Many hands", "phoneNumberColumnName": "phone"}
    return str(success_data(http.post("/audience", data=fields, files={"file": file}))["_id"])


def generate_audience(http: httpx.Client, root_url: str) -> str:
    options = {"audiences": 1, "members": 300, "locale": "sv_SE"}
    response = http.put(f"{root_url}/__admin/tenants", json={**CARA.as_json, "generate": options})
    return str(response.json()["audiences"][0]["_id"])


def all_members(http: httpx.Client, audience_id: str) -> list[dict[str, Any]]:
    """Return all members, and check their number in the list of audiences."""
    page = success_data(http.get(f"/audience/{audience_id}/members", params={"offset": 10_000}))
    (listed,) = (audience for audience in success_data(http.get("/audience")) if audience["_id"] == audience_id)
    assert listed["memberCount"] == page["totalCount"] == len(page["members"])
    return list(page["members"])


@pytest.mark.parametrize("is_generated", [False, True])
def test_parallel_additions_and_deletions_are_all_counted(is_generated: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    barrier = Barrier(3)
    with MockServer() as mock, httpx.Client(base_url=mock.url, headers=CARA.headers) as http:
        audience_id = generate_audience(http, mock.root_url) if is_generated else create_audience(http, 300)
        members = f"{mock.url}/audience/{audience_id}/members"
        before = all_members(http, audience_id)
        (column,) = {name for name, value in before[0]["data"].items() if value.removeprefix("+").isdigit()}
        numbers = [f"4620{digit:06d}" for digit in range(320)]

        def add(step: int) -> int:
            """Add all numbers in overlapping batches of ten, each with one number that already exists."""
            added = 0
            with httpx.Client(headers=CARA.headers) as client:
                barrier.wait()
                for first in range(0, len(numbers), 5)[::step]:
                    existing = before[250 + first % 50]["data"][column]
                    rows = [{column: number} for number in (*numbers[first : first + 10], existing)]
                    (response,) = success_data(client.post(members, json={"members": rows}))
                    assert response["data"]["added"] + response["data"]["skipped"] == len(rows)
                    added += response["data"]["added"]
            return added

        def delete() -> int:
            """Delete the first members in overlapping batches of three."""
            deleted = 0
            with httpx.Client(headers=CARA.headers) as client:
                barrier.wait()
                for first in range(0, 200, 2):
                    ids = [member["_id"] for member in before[first : first + 3]]
                    response = success_data(client.request("DELETE", members, json={"memberIds": ids}))
                    deleted += response["deletedCount"]
            return deleted

        with ThreadPoolExecutor(3) as threads:
            first, second, deletions = threads.submit(add, 1), threads.submit(add, -1), threads.submit(delete)
        after = all_members(http, audience_id)
        assert deletions.result() == 201
        assert first.result() + second.result() == 320
        assert len(after) == 300 + 320 - 201
        assert after[:99] == before[201:]
        assert sorted(member["data"][column] for member in after[99:]) == numbers
        assert len({member["_id"] for member in after}) == len(after)


def test_one_of_100_parallel_requests_adds_a_number() -> None:
    async def add_everywhere(url: str) -> list[int]:
        async with httpx.AsyncClient(headers=CARA.headers) as http:
            plain, plus = {"members": [{"phone": "5550100"}]}, {"members": [{"phone": "+5550100"}]}
            responses = await asyncio.gather(*(http.post(url, json=body) for body in [plain, plus] * 50))
        return sorted(success_data(response)[0]["data"]["added"] for response in responses)

    with MockServer() as mock, httpx.Client(base_url=mock.url, headers=CARA.headers) as http:
        audience_id = create_audience(http, 1)
        assert asyncio.run(add_everywhere(f"{mock.url}/audience/{audience_id}/members")) == [0] * 99 + [1]
        assert len(all_members(http, audience_id)) == 2


def test_audience_has_at_most_10000_members() -> None:
    too_many = (
        "Cannot add {} members. You currently have {} members in this audience. "
        "The maximum limit is 10000 members. You can add up to {} more members."
    )

    def body_of(numbers: range) -> dict[str, Any]:
        return {"members": [{"phone": str(number)} for number in numbers]}

    with MockServer() as mock, httpx.Client(base_url=mock.url, headers=CARA.headers) as http:
        members = f"/audience/{create_audience(http, 9_990)}/members"
        assert error_messages(http.post(members, json=body_of(range(5_550_100, 5_550_115))), 400) == [
            too_many.format(15, 9990, 10)
        ]
        assert success_data(http.get(members))["totalCount"] == 9_990
        (response,) = success_data(http.post(members, json=body_of(range(5_550_100, 5_550_110))))
        assert response["data"] == {"added": 10, "skipped": 0}
        assert error_messages(http.post(members, json=body_of(range(5_550_110, 5_550_111))), 400) == [
            too_many.format(1, 10000, 0)
        ]
        # A deletion makes room.
        last = success_data(http.get(members, params={"page": 10_000, "offset": 1}))["members"][0]
        assert last["data"] == {"phone": "5550109"}
        assert success_data(http.request("DELETE", members, json={"memberIds": [last["_id"]]})) == {"deletedCount": 1}
        (response,) = success_data(http.post(members, json=body_of(range(5_550_110, 5_550_111))))
        assert response["data"] == {"added": 1, "skipped": 0}


def record_responses(
    mock: MockServer, before_each: Callable[[], object]
) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Send requests to every operation as Cara, and return the responses without their dates."""
    responses: list[tuple[int, list[tuple[str, str]], bytes]] = []

    with httpx.Client(base_url=mock.url, headers=CARA.headers) as http:

        def send(method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - httpx has their types
            before_each()
            response = http.request(method, path, **request)
            headers = [(name, value) for name, value in response.headers.items() if name != "date"]
            responses.append((response.status_code, headers, response.content))
            return response.json()["data"] if response.is_success else None

        form = {"name": "Spring", "phoneNumberColumnName": "phone", "description": "=1+1"}
        initial = send("GET", "/audience")[-1]
        created = send("POST", "/audience", data=form, files={"file": b"phone,name\n5550100,Ada\n+5550101,Bob\n"})[
            "_id"
        ]
        send("POST", "/audience", data=form, files={"file": b"phone\n5550100\n+5550100\n"})
        send("POST", "/audience", data=form)
        for audience_id, column in (
            (initial["_id"], initial["phoneNumberColumnName"]),
            (created, "phone"),
            (created, "phone"),
        ):
            send("GET", f"/audience/{audience_id}")
            numbers = [{column: "5550100"}, {column: "+5550199"}]
            send("POST", f"/audience/{audience_id}/members", json={"members": numbers})
            page = send("GET", f"/audience/{audience_id}/members", params={"page": 1, "offset": 3})
            ids = [member["_id"] for member in page["members"][1:]]
            send("DELETE", f"/audience/{audience_id}/members", json={"memberIds": [*ids, UNKNOWN_ID]})
            send("GET", f"/audience/{audience_id}/members", params={"page": 1, "offset": 3})
            send("GET", f"/audience/{audience_id}/members/search", params={"query": "a"})
            send("GET", f"/audience/{audience_id}/members/search")
        campaigns = {**CARA.as_json, "campaigns": [{"name": "a"}, {"name": "b"}]}
        http.put(f"{mock.root_url}/__admin/audiences/{created}/campaigns", json=campaigns)
        send("DELETE", f"/audience/{created}")
        send("DELETE", f"/audience/{initial['_id']}")
        send("GET", "/audience")
        send("GET", f"/audience/{UNKNOWN_ID}")
        send("GET", "/audience/x/members")
    return responses


def test_same_requests_get_the_same_bytes_beside_other_tenants() -> None:
    def also_as_dave(mock: MockServer) -> Callable[[], object]:
        fields = {"name": "Dave's", "phoneNumberColumnName": "phone"}
        upload = {"data": fields, "files": {"file": b"phone\n5550100\n"}, "headers": Tenant("sk_dave").headers}
        return lambda: success_data(httpx.post(f"{mock.url}/audience", **upload))  # type: ignore[arg-type] # httpx has their types

    with MockServer(now="2026-01-31T09:00:00Z") as mock:
        alone = record_responses(mock, lambda: None)
        httpx.post(f"{mock.root_url}/__admin/reset", json=CARA.as_json)
        assert record_responses(mock, lambda: None) == alone
    with MockServer(now="2026-01-31T09:00:00Z") as mock:
        assert record_responses(mock, also_as_dave(mock)) == alone
    assert {status for status, _, _ in alone} == {200, 400, 404}
    assert b'"createdAt":"2026-01-31T09:00:00.000Z"' in alone[1][2]
