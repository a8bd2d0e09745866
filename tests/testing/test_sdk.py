"""The official SDK against a running server. Its first retry waits a second."""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest
import requests
from smallestai import AsyncSmallestAI, SmallestAI
from smallestai.atoms.errors import (
    BadRequestError,
    ForbiddenError,
    InternalServerError,
    NotFoundError,
    UnauthorizedError,
)
from smallestai.atoms.helpers import Audience
from smallestai.core.api_error import ApiError

from mock_atoms import MockServer


@pytest.fixture(scope="module", autouse=True)
def _quiet_sdk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMALLESTAI_TELEMETRY", "0")
        yield


@pytest.fixture
def sdk(server: MockServer) -> Iterator[Callable[[str], SmallestAI]]:
    """Return a function from a token to a client. All clients share one connection pool."""
    with httpx.Client() as pool:
        yield lambda token: SmallestAI(api_key=token, environment=server.sdk_environment(), httpx_client=pool)


def async_sdk(server: MockServer, token: str, pool: httpx.AsyncClient) -> AsyncSmallestAI:
    return AsyncSmallestAI(api_key=token, environment=server.sdk_environment(), httpx_client=pool)


def test_the_sdk_lists_audiences(sdk: Callable[[str], SmallestAI]) -> None:
    response = sdk("sk_acme").atoms.audience.list()
    assert response.status is True
    assert response.data
    assert all(audience.name and audience.created_at and audience.id for audience in response.data)


def test_the_async_sdk_lists_the_same_audiences(server: MockServer, sdk: Callable[[str], SmallestAI]) -> None:
    async def audiences() -> object:
        async with httpx.AsyncClient() as pool:
            return (await async_sdk(server, "sk_acme", pool).atoms.audience.list()).data

    assert asyncio.run(audiences()) == sdk("sk_acme").atoms.audience.list().data


def test_the_sdk_raises_unauthorized(sdk: Callable[[str], SmallestAI]) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        sdk("sk_mock_revoked").atoms.audience.list()
    assert caught.value.status_code == 401
    assert caught.value.body == {"status": False, "errors": ["Unauthorized: User not found"]}


@pytest.mark.slow
def test_the_sdk_raises_internal_server_error_after_two_retries(sdk: Callable[[str], SmallestAI]) -> None:
    with pytest.raises(InternalServerError) as caught:
        sdk("sk_mock_500x3.sdk-gives-up").atoms.audience.list()
    assert caught.value.status_code == 500
    # The first call used up the three failures with two retries.
    assert sdk("sk_mock_500x3.sdk-gives-up").atoms.audience.list().status is True


@pytest.mark.slow
def test_the_sdk_recovers_from_two_failures(sdk: Callable[[str], SmallestAI]) -> None:
    assert sdk("sk_mock_500x2.sdk-recovers").atoms.audience.list().data


@pytest.mark.slow
def test_the_async_sdk_raises_and_recovers(server: MockServer) -> None:
    async def run() -> None:
        async with httpx.AsyncClient() as pool:
            keys = ("sk_mock_500.sdk-async", "sk_mock_500x2.sdk-async", "sk_mock_revoked.sdk-async")
            calls = [async_sdk(server, key, pool).atoms.audience.list() for key in keys]
            failed, recovered, unauthorized = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(failed, InternalServerError)
        assert not isinstance(recovered, BaseException)
        assert recovered.data
        assert isinstance(unauthorized, UnauthorizedError)

    asyncio.run(run())


def test_the_sdk_reports_the_html_of_an_unknown_route(sdk: Callable[[str], SmallestAI]) -> None:
    with pytest.raises(ApiError) as caught:
        sdk("sk_acme").atoms.knowledge_base.list()
    assert caught.value.status_code == 404
    assert "Cannot GET /atoms/v1/knowledgebase" in str(caught.value.body)


@pytest.mark.parametrize("persona", ["empty", "one", "many", "sparse", "unicode"])
def test_the_sdk_parses_the_audiences_of_every_persona(sdk: Callable[[str], SmallestAI], persona: str) -> None:
    assert sdk(f"sk_mock_{persona}").atoms.audience.list().data is not None


def test_the_helper_built_on_requests_lists_audiences(server: MockServer) -> None:
    response = Audience(base_url=server.url, api_key="sk_acme").list()
    assert response["status"] is True
    assert len(response["data"]) >= 3


CSV = ("contacts.csv", "phoneNumber,name\n+14155550100,Ada\n+14155550101,Grace\n", "text/csv")
MEMBERS = [{"phoneNumber": "+14155550101"}, {"phoneNumber": "+14155550102", "name": "Edsger", "calls": 3}]


def test_the_sdk_creates_reads_changes_and_deletes_an_audience(sdk: Callable[[str], SmallestAI]) -> None:
    audiences = sdk("sk_life.sync").atoms.audience
    before = len(audiences.list().data or [])
    created = audiences.create_audience_with_csv_upload(
        name="Pioneers", phone_number_column_name="phoneNumber", identifier_column_name="name", file=CSV
    ).data
    assert created is not None
    assert created.id is not None
    assert (created.name, created.identifier_column_name, created.description) == ("Pioneers", "name", None)
    fetched = audiences.get(created.id).data
    assert fetched is not None
    assert (fetched.id, fetched.organization, fetched.created_at) == (
        created.id,
        created.organization,
        created.created_at,
    )
    page = audiences.get_audience_members(created.id, page=2, offset=1).data
    assert page is not None
    assert page.members is not None
    assert [member.data for member in page.members] == [{"phoneNumber": "+14155550101", "name": "Grace"}]
    assert (page.total_count, page.total_pages, page.has_more) == (2, 2, False)
    (added,) = audiences.add_audience_members(created.id, members=MEMBERS).data or []
    assert added.data is not None
    assert (added.message, added.data.added, added.data.skipped) == ("1 members added successfully", 1, 1)
    found = audiences.search_audience_members(created.id, query="eDS").data
    assert found is not None
    assert found.members is not None
    assert found.search_info is not None
    assert [member.data for member in found.members] == [MEMBERS[1]]
    assert (found.search_info.search_type, found.search_info.total_results) == ("general", 1)
    ids = [str(member.id) for member in found.members]
    deleted = audiences.delete_audience_members(created.id, member_ids=ids).data
    assert deleted is not None
    assert deleted.deleted_count == 1
    listed = (audiences.list().data or [])[-1]
    assert (listed.id, listed.member_count, listed.has_campaigns) == (created.id, 2, False)
    assert audiences.delete_audience(created.id).data == []
    assert len(audiences.list().data or []) == before
    with pytest.raises(NotFoundError):
        audiences.get(created.id)


def test_the_async_sdk_creates_reads_changes_and_deletes_an_audience(server: MockServer) -> None:
    async def run() -> None:
        async with httpx.AsyncClient() as pool:
            audiences = async_sdk(server, "sk_life.async", pool).atoms.audience
            response = await audiences.create_audience_with_csv_upload(
                name="Pioneers", phone_number_column_name="phoneNumber", file=CSV
            )
            assert response.data is not None
            audience_id = str(response.data.id)
            fetched = (await audiences.get(audience_id)).data
            assert fetched is not None
            assert fetched.name == "Pioneers"
            await asyncio.gather(*(audiences.add_audience_members(audience_id, members=MEMBERS) for _ in range(5)))
            page = (await audiences.get_audience_members(audience_id)).data
            assert page is not None
            assert page.members is not None
            assert page.total_count == 3
            found = (await audiences.search_audience_members(audience_id, query="ada")).data
            assert found is not None
            assert len(found.members or []) == 1
            ids = [str(member.id) for member in page.members]
            deleted = (await audiences.delete_audience_members(audience_id, member_ids=ids)).data
            assert deleted is not None
            assert deleted.deleted_count == 3
            assert (await audiences.delete_audience(audience_id)).data == []
            with pytest.raises(NotFoundError):
                await audiences.delete_audience(audience_id)

    asyncio.run(run())


def test_the_helper_creates_reads_changes_and_deletes_an_audience(server: MockServer) -> None:
    helper = Audience(base_url=server.url, api_key="sk_life.helper")
    created = helper.create("Pioneers", ["+14155550100", "+14155550101"], [("Ada", "Lovelace")])["data"]
    assert created["description"] == ""
    assert helper.get(created["_id"])["data"]["name"] == "Pioneers"
    added = helper.add_contacts(
        created["_id"], ["+14155550101", "+14155550102"], [("Grace", "Hopper"), ("Edsger", "D")]
    )
    assert added["data"] == [{"message": "1 members added successfully", "data": {"added": 1, "skipped": 1}}]
    page = helper.get_members(created["_id"], offset=2)["data"]
    assert [member["data"]["firstName"] for member in page["members"]] == ["Ada", "User"]
    assert page["hasMore"] is True
    found = helper.get_members(created["_id"], search="LOVE")["data"]
    assert (found["totalCount"], found["members"][0]["data"]["lastName"]) == (1, "Lovelace")
    assert helper.delete(created["_id"])["data"] == []
    with pytest.raises(requests.HTTPError, match="404"):
        helper.get(created["_id"])


def test_the_sdk_raises_the_documented_errors(sdk: Callable[[str], SmallestAI], server: MockServer) -> None:
    mine, theirs = sdk("sk_raises.mine").atoms.audience, sdk("sk_raises.theirs").atoms.audience
    with pytest.raises(BadRequestError) as refused:
        mine.create_audience_with_csv_upload(name="x", phone_number_column_name="mobile", file=CSV)
    assert refused.value.body == {
        "status": False,
        "errors": ['CSV file has no column named "mobile". It has: "phoneNumber", "name"'],
    }
    foreign = str((theirs.list().data or [])[0].id)
    with pytest.raises(ForbiddenError):
        mine.get_audience_members(foreign)
    with pytest.raises(NotFoundError):
        mine.add_audience_members(foreign, members=[])
    used = next(audience for audience in mine.list().data or [] if audience.has_campaigns)
    with pytest.raises(BadRequestError) as conflict:
        mine.delete_audience(str(used.id))
    assert str(used.id) in str(conflict.value.body)
    path = f"{server.root_url}/__admin/audiences/{used.id}/campaigns"
    assert httpx.put(path, json={"token": "sk_raises.mine", "campaigns": []}).status_code == 200
    assert mine.delete_audience(str(used.id)).data == []
