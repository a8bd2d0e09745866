"""The copies of a tenant's data, on other servers or after an import, have the same content and the same size."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.contract.errors import ApiError
from mock_atoms.core.slices import Slices, run_without_pauses
from mock_atoms.core.tenancy import Tenant, caller_for
from mock_atoms.data.fixture_files import parse_fixture
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.journal.credentials import Credentials
from mock_atoms.state.agents import AgentRepository
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.campaigns import CampaignQuery, CampaignRepository
from mock_atoms.state.log_contents import operation_json, parse_operation
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.operations import DataOperation, SetInitialData
from mock_atoms.state.repositories import Repositories
from mock_atoms.state.snapshot import content_steps, parse_content
from mock_atoms.state.store import TenantState
from mock_atoms.state.tenant_data import Change, TenantData
from tests.helpers.stores import make_store, memory_store

CALLER = caller_for("sk_acme")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class CopiedStore(MemoryStore):
    """A store whose operations are also applied to a copy, from their entries in a log."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of `MemoryStore`
        super().__init__(*arguments, **options)
        self.copied = memory_store()
        self.kinds: set[type[DataOperation]] = set()

    async def load(self, tenant: Tenant) -> TenantState:
        await self.copied.load(tenant)
        return await super().load(tenant)

    async def commit(self, tenant: Tenant, operation: DataOperation, mark: int | None = None) -> bool:
        entry = json.dumps(run_without_pauses(operation_json(operation)))
        self.kinds.add(type(operation))
        await self.copied.commit(tenant, run_without_pauses(parse_operation(json.loads(entry))))
        return await super().commit(tenant, operation, mark)

    async def check(self) -> None:
        """Compare the data with the copy, and with what an import of its export has."""
        exported = [run_without_pauses(content_steps(await store.export())) for store in (self, self.copied)]
        assert exported[0] == exported[1]
        imported = run_without_pauses(parse_content(exported[0], Credentials(b"key"))).tenants
        tenants = [await self.tenants(), await self.copied.tenants(), imported]
        sizes = [[state.size_bytes for state in states] for states in tenants]
        assert sizes[0] == sizes[1] == sizes[2]


def rows(number: int, text: str, column: str = "phone") -> list[dict[str, Any]]:
    return [{column: f"1415555{row:04}", "name": text, text: row / 7} for row in range(number)]


def audience_of(data: TenantData, number: int) -> str:
    audiences = run_without_pauses(AudienceRepository(data).list_audiences())
    return audiences[number % len(audiences)]["_id"] if audiences else "0" * 24


def campaign_of(data: TenantData, number: int) -> str:
    listed = run_without_pauses(CampaignRepository(data).list_campaigns(CampaignQuery(size=50)))["campaigns"]
    return listed[number % len(listed)]["_id"] if listed else "0" * 24


def agent_of(data: TenantData, number: int) -> str:
    agents = AgentRepository(data).agents()
    return agents[number % len(agents)]["_id"]


def create_audience(data: TenantData, number: int, text: str) -> Change[Any]:
    fields: Any = {"name": text, "description": text, "phoneNumberColumnName": "phone", "identifierColumnName": "name"}
    return AudienceRepository(data).create_audience(fields, rows(number, text))


def add_members(data: TenantData, number: int, text: str) -> Change[Any]:
    audience_id = audience_of(data, number)
    column = AudienceRepository(data).get_audience(audience_id)["phoneNumberColumnName"]
    return AudienceRepository(data).add_members(audience_id, rows(number, text, column))


def delete_members(data: TenantData, number: int, _text: str) -> Change[Any]:
    audiences, audience_id = AudienceRepository(data), audience_of(data, number)
    page = run_without_pauses(audiences.get_members(audience_id, 1, number + 1))
    return audiences.delete_members(audience_id, [member["_id"] for member in page["members"]])


def delete_audience(data: TenantData, number: int, _text: str) -> Change[Any]:
    audiences = AudienceRepository(data)
    unused = [
        audience["_id"] for audience in run_without_pauses(audiences.list_audiences()) if not audience["campaigns"]
    ]
    return audiences.delete_audience(unused[number % len(unused)] if unused else "0" * 24)


def set_campaigns(data: TenantData, number: int, text: str) -> Change[Any]:
    audiences, audience_id = AudienceRepository(data), audience_of(data, number)
    view = audiences.find(audience_id)
    numbers = [] if view is None else [member["data"][view.phone_column] for member in view.members(0, number)]
    campaigns: list[Any] = [
        {
            "results": dict.fromkeys(numbers, "completed"),
            "status": status,
            "error": text,
            "name": text,
            "omit": ["name"],
        }
        for status in ("completed", "failed", "draft")[:number]
    ]
    campaigns.append({"events": [], "status": "paused", "createdAt": "2026-01-31T11:59:59.000Z", "description": text})
    return audiences.set_campaigns(audience_id, campaigns[-number:])


def create_campaign(data: TenantData, number: int, text: str) -> Change[Any]:
    ids = {"audienceId": audience_of(data, number), "agentId": agent_of(data, number)}
    scheduled = {"scheduledAt": "2026-02-01T00:00:00Z"} if number % 2 else {}
    new: Any = {"name": text, "description": text, "phoneNumberIds": [text] * number, **ids, **scheduled}
    return CampaignRepository(data).create(new)


def start_campaign(data: TenantData, number: int, _text: str) -> Change[Any]:
    return CampaignRepository(data).start(campaign_of(data, number))


def pause_campaign(data: TenantData, number: int, _text: str) -> Change[Any]:
    return CampaignRepository(data).pause(campaign_of(data, number))


def fail_campaign(data: TenantData, number: int, text: str) -> Change[Any]:
    return CampaignRepository(data).advance(campaign_of(data, number), "failed", error=text)


def delete_campaign(data: TenantData, number: int, _text: str) -> Change[Any]:
    return CampaignRepository(data).delete(campaign_of(data, number))


def create_agent(data: TenantData, _number: int, text: str) -> Change[Any]:
    return AgentRepository(data).create(text, "single_prompt")


def archive_agent(data: TenantData, number: int, _text: str) -> Change[Any]:
    campaigns = CampaignRepository(data)
    return AgentRepository(data).archive(
        agent_of(data, number), is_archived=number % 2 == 0, find_campaign=campaigns.campaign_of
    )


def set_data(data: TenantData, number: int, text: str) -> Change[Any]:
    listed = {"name": text, "phoneNumberColumnName": "tel", "identifierColumnName": "name", "omit": ["name"]}
    campaign = {"results": {}, "status": "paused", "createdAt": "2026-01-31T11:59:59.000Z", "error": text}
    audiences: list[Any] = [{"campaigns": [campaign], "locale": "de_DE"}, {**listed, "members": rows(2, text, "tel")}]
    content = {"audiences": audiences[:number]} if number % 2 else {"generate": {"audiences": 2, "members": 3}}
    file = run_without_pauses(parse_fixture({"tokens": ["sk_acme"], **content}))
    yield
    return None, SetInitialData(run_without_pauses(data.fixtures.from_fixture_file(file, CALLER.token, NOON)))


Action = Callable[[TenantData, int, str], Change[Any]]
ACTIONS: list[Action] = [
    create_audience,
    add_members,
    set_campaigns,
    set_campaigns,
    delete_members,
    create_campaign,
    start_campaign,
    pause_campaign,
    fail_campaign,
    create_agent,
    archive_agent,
    delete_campaign,
    delete_audience,
    set_data,
]


def run(actions: list[tuple[Action, int, str]]) -> set[type[DataOperation]]:
    """Make changes, compare the copies after each, and return the kinds of operations."""

    async def run_actions() -> set[type[DataOperation]]:
        generator, slices = Generator("atoms"), Slices(monotonic)
        store = make_store(CopiedStore)
        repositories = Repositories(store, Fixtures(generator, "en_US"), generator, lambda: NOON, slices)
        for action, number, text in actions:
            with suppress(ApiError):  # for example, a completed campaign cannot be started
                await repositories.update(CALLER, lambda data: action(data, number, text))  # noqa: B023 - it is called immediately
            await store.check()
        return store.kinds

    return asyncio.run(run_actions())


texts = st.sampled_from(["Ada", "Żółć", "\U0001f600 é", "x" * 100])


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 4), texts), max_size=12))
def test_copies_have_the_same_content_and_size_after_any_changes(
    actions: list[tuple[Action, int, str]],
) -> None:
    run(actions)


def test_copies_have_the_same_content_and_size_after_each_kind_of_change() -> None:
    kinds = run([(action, number, text) for number in range(4) for text in ("Ada", "Żółć") for action in ACTIONS])
    assert kinds == {SetInitialData, *get_args(DataOperation)}
