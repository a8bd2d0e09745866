"""The official SDK against a running server. It waits a second and more before it tries again."""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest
from smallestai import AsyncSmallestAI, SmallestAI
from smallestai.atoms.errors import InternalServerError, UnauthorizedError
from smallestai.atoms.helpers import Audience
from smallestai.core.api_error import ApiError
from smallestai.environment import SmallestAIEnvironment

from mock_atoms import MockServer


@pytest.fixture(scope="module", autouse=True)
def _quiet_sdk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMALLESTAI_TELEMETRY", "0")
        yield


def environment(server: MockServer) -> SmallestAIEnvironment:
    return SmallestAIEnvironment(
        atoms=server.url, waves=server.root_url, waves_ws=server.root_url, payment=server.root_url
    )


@pytest.fixture
def sdk(server: MockServer) -> Iterator[Callable[[str], SmallestAI]]:
    """Return a function from a token to a client; one connection pool serves them all and is closed."""
    with httpx.Client() as pool:
        yield lambda token: SmallestAI(api_key=token, environment=environment(server), httpx_client=pool)


def async_sdk(server: MockServer, token: str, pool: httpx.AsyncClient) -> AsyncSmallestAI:
    return AsyncSmallestAI(api_key=token, environment=environment(server), httpx_client=pool)


def test_the_sdk_lists_audiences(sdk: Callable[[str], SmallestAI]) -> None:
    answer = sdk("sk_acme").atoms.audience.list()
    assert answer.status is True
    assert answer.data
    assert all(audience.name and audience.created_at and audience.id for audience in answer.data)


def test_the_async_sdk_lists_the_same(server: MockServer, sdk: Callable[[str], SmallestAI]) -> None:
    async def audiences() -> object:
        async with httpx.AsyncClient() as pool:
            return (await async_sdk(server, "sk_acme", pool).atoms.audience.list()).data

    assert asyncio.run(audiences()) == sdk("sk_acme").atoms.audience.list().data


def test_the_sdk_raises_unauthorized(sdk: Callable[[str], SmallestAI]) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        sdk("sk_mock_revoked").atoms.audience.list()
    assert caught.value.status_code == 401
    assert caught.value.body == {"status": False, "errors": ["Unauthorized: User not found"]}


def test_the_sdk_raises_internal_server_error_after_two_retries(sdk: Callable[[str], SmallestAI]) -> None:
    with pytest.raises(InternalServerError) as caught:
        sdk("sk_mock_500x3.sdk-gives-up").atoms.audience.list()
    assert caught.value.status_code == 500
    # The three failures are used up: two retries were made, no more.
    assert sdk("sk_mock_500x3.sdk-gives-up").atoms.audience.list().status is True


def test_the_sdk_recovers_from_two_failures(sdk: Callable[[str], SmallestAI]) -> None:
    assert sdk("sk_mock_500x2.sdk-recovers").atoms.audience.list().data


def test_the_async_sdk_raises_and_recovers(server: MockServer) -> None:
    async def run() -> None:
        async with httpx.AsyncClient() as pool:
            keys = ("sk_mock_500.sdk-async", "sk_mock_500x2.sdk-async", "sk_mock_revoked.sdk-async")
            calls = [async_sdk(server, key, pool).atoms.audience.list() for key in keys]
            failed, recovered, refused = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(failed, InternalServerError)
        assert not isinstance(recovered, BaseException)
        assert recovered.data
        assert isinstance(refused, UnauthorizedError)

    asyncio.run(run())


def test_the_sdk_meets_html_where_there_is_no_route(sdk: Callable[[str], SmallestAI]) -> None:
    with pytest.raises(ApiError) as caught:
        sdk("sk_acme").atoms.audience.get("60d0fe4f5311236168a109ca")
    assert caught.value.status_code == 404
    assert "Cannot GET /atoms/v1/audience/60d0fe4f5311236168a109ca" in str(caught.value.body)


@pytest.mark.parametrize("persona", ["empty", "one", "many", "sparse", "unicode"])
def test_the_sdk_copes_with_every_persona(sdk: Callable[[str], SmallestAI], persona: str) -> None:
    assert sdk(f"sk_mock_{persona}").atoms.audience.list().data is not None


def test_the_helper_built_on_requests_lists_audiences(server: MockServer) -> None:
    answer = Audience(base_url=server.url, api_key="sk_acme").list()
    assert answer["status"] is True
    assert len(answer["data"]) >= 3
