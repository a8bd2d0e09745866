"""Changes and queries that run in slices: what happens in between, and that the result is the same."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import pytest

from mock_atoms.contract.campaigns import CreatedCampaign, NewCampaign
from mock_atoms.contract.schemas import MAX_MEMBERS, CreatedAudience
from mock_atoms.core.slices import (
    IS_DISCONNECTED,
    MAX_WORK_SLOTS,
    SLICE_SECONDS,
    WORK_SLOT,
    ClientDisconnectedError,
    Slices,
    free,
    run_without_pauses,
)
from mock_atoms.core.tenancy import AuthenticatedCaller, caller_for
from mock_atoms.data.fixtures import FixtureData, Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.state.agents import AgentRepository
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.campaigns import CampaignQuery, CampaignRepository
from mock_atoms.state.operations import DeleteAudience
from mock_atoms.state.repositories import Repositories
from mock_atoms.state.store import StoreContent
from mock_atoms.state.tenant_data import Change, TenantData
from tests.helpers.stores import RULE, count_request, memory_store
from tests.state.test_log_contents import count_steps

CALLER = caller_for("sk_acme")
FIELDS: CreatedAudience = {"name": "Mine", "phoneNumberColumnName": "phone"}
ROWS = [{"phone": f"{14150000000 + number}"} for number in range(MAX_MEMBERS)]


class Server:
    """Repositories whose long work pauses after `steps` steps, rounded down."""

    def __init__(self, steps: float = 1.5) -> None:
        ticks = count()
        generator = Generator("atoms")
        self.fixtures = Fixtures(generator, "en_US")
        self.slices = Slices(lambda: next(ticks) * SLICE_SECONDS / steps)
        self.store = memory_store(fixtures=self.fixtures, slices=self.slices)
        now = datetime(2026, 1, 31, tzinfo=UTC)
        self.repositories = Repositories(self.store, self.fixtures, generator, lambda: now, self.slices)

    async def create(self, rows: list[dict[str, str]]) -> str:
        created = await self.repositories.update(
            CALLER, lambda data: AudienceRepository(data).create_audience(FIELDS, rows)
        )
        return created["_id"]

    async def add(self, audience_id: str, rows: list[dict[str, str]]) -> dict[str, int]:
        added = await self.repositories.update(
            CALLER, lambda data: AudienceRepository(data).add_members(audience_id, rows)
        )
        return dict(added["data"])  # type: ignore[arg-type] # two numbers

    async def delete(self, audience_id: str, ids: list[str]) -> int:
        deleted = await self.repositories.update(
            CALLER, lambda data: AudienceRepository(data).delete_members(audience_id, ids)
        )
        return deleted["deletedCount"]

    async def members(self, audience_id: str) -> list[Any]:
        page = await self.repositories.read_in_steps(
            CALLER, lambda data: AudienceRepository(data).get_members(audience_id, 1, MAX_MEMBERS)
        )
        return page["members"]

    async def audiences(self, caller: AuthenticatedCaller = CALLER) -> list[Any]:
        return await self.repositories.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())


def create_campaign(data: TenantData, new: NewCampaign) -> Change[CreatedCampaign]:
    return CampaignRepository(data).create(new)


async def count_pauses(work: Any) -> tuple[Any, int]:  # noqa: ANN401 - any awaitable
    """Return the result of `work`, and how often other tasks ran meanwhile."""
    pauses = 0
    task = asyncio.ensure_future(work)
    while not task.done():
        pauses += 1
        await asyncio.sleep(0)
    return task.result(), pauses


def test_others_run_while_ten_thousand_members_are_created_added_found_listed_and_deleted() -> None:
    async def run() -> None:
        server = Server(steps=100)
        first, pauses = await count_pauses(server.create(ROWS))
        assert pauses > 1000
        members, pauses = await count_pauses(server.members(first))
        assert (len(members), pauses > 1000) == (MAX_MEMBERS, True)
        found, pauses = await count_pauses(
            server.repositories.read_in_steps(
                CALLER, lambda data: AudienceRepository(data).search_members(first, "1", {})
            )
        )
        assert (found["searchInfo"]["totalResults"], pauses > 1000) == (MAX_MEMBERS, True)
        deleted, pauses = await count_pauses(server.delete(first, [member["_id"] for member in members]))
        assert (deleted, pauses > 1000) == (MAX_MEMBERS, True)
        added, pauses = await count_pauses(server.add(first, ROWS))
        assert (added, pauses > 1000) == ({"added": MAX_MEMBERS, "skipped": 0}, True)

    asyncio.run(run())


@pytest.mark.slow
def test_a_deletion_of_many_members_reads_the_deleted_ones_once() -> None:
    class CountingList(list[int]):
        reads = 0

        def __iter__(self) -> Iterator[int]:
            self.reads += 1
            return super().__iter__()

    async def run() -> None:
        server = Server()
        audience_id = max(await server.audiences(), key=lambda audience: int(audience["memberCount"]))["_id"]
        ids = [member["_id"] for member in (await server.members(audience_id))[:100]]
        assert await server.delete(audience_id, ids[:50]) == 50
        changes = (await server.store.load(CALLER.tenant)).changes
        assert changes is not None
        removed = changes.audiences[audience_id].removed_indexes = CountingList(range(50))
        assert await server.delete(audience_id, [*ids, "f" * 24]) == 50
        assert removed.reads == 1
        remaining = [member["_id"] for member in await server.members(audience_id)]
        assert not {*ids} & {*remaining}

    asyncio.run(run())


def test_a_deletion_completes_one_campaign_in_each_step() -> None:
    async def run() -> None:
        server = Server()
        audience_id = await server.create(ROWS[:1])
        campaigns: list[Any] = [{"_id": f"{number:024x}", "status": "completed"} for number in range(100)]
        await server.repositories.update(
            CALLER, lambda data: AudienceRepository(data).set_campaigns(audience_id, campaigns)
        )
        await server.repositories.update(CALLER, lambda data: CampaignRepository(data).delete(f"{0:024x}"))
        deletion = await server.repositories.read(
            CALLER, lambda data: AudienceRepository(data).delete_audience(audience_id)
        )
        number, (_, operation) = count_steps(deletion)
        assert number == 100
        assert isinstance(operation, DeleteAudience)
        assert [campaign["_id"] for campaign in operation.campaigns] == [f"{number:024x}" for number in range(1, 100)]

    asyncio.run(run())


def test_parallel_changes_of_one_tenant_have_the_results_of_one_after_another() -> None:
    async def parallel(server: Server) -> list[Any]:
        first, second = await asyncio.gather(server.create(ROWS[:200]), server.create(ROWS[:300]))
        await asyncio.gather(server.add(first, ROWS[100:400]), server.add(first, ROWS[300:500]))
        ids = [member["_id"] for member in await server.members(first)]
        await asyncio.gather(server.delete(first, ids[:300]), server.delete(first, ids[200:400]))
        return [await server.audiences(), await server.members(first), await server.members(second)]

    async def one_by_one(server: Server) -> list[Any]:
        first, second = await server.create(ROWS[:200]), await server.create(ROWS[:300])
        await server.add(first, ROWS[100:400])
        await server.add(first, ROWS[300:500])
        ids = [member["_id"] for member in await server.members(first)]
        await server.delete(first, ids[:300])
        await server.delete(first, ids[200:400])
        return [await server.audiences(), await server.members(first), await server.members(second)]

    assert asyncio.run(parallel(Server())) == asyncio.run(one_by_one(Server()))


def test_a_change_whose_tenant_is_reset_meanwhile_counts_as_made_before_that() -> None:
    async def run() -> None:
        server = Server(steps=100)
        initial = await server.audiences()
        audience_id = await server.create(ROWS[:1])
        adding = asyncio.ensure_future(server.add(audience_id, ROWS[:1000]))
        resets = 0
        await asyncio.sleep(0)
        while not adding.done():
            await server.store.reset()
            resets += 1
            await asyncio.sleep(0)
        assert resets > 10
        assert await adding == {"added": 999, "skipped": 1}
        assert await server.audiences() == initial

    asyncio.run(run())


def test_a_change_whose_fixtures_are_imported_meanwhile_counts_as_made_before_that() -> None:
    async def run() -> None:
        server = Server(steps=100)
        initial = await server.audiences()
        column = initial[0]["phoneNumberColumnName"]
        rows = [{column: row["phone"]} for row in ROWS[:1000]]
        adding = asyncio.ensure_future(server.add(initial[0]["_id"], rows))
        for _ in range(10):
            await asyncio.sleep(0)
        fixtures = {CALLER.tenant.token_digest: FixtureData("sk_…#000000", InitialData([]))}
        await server.store.replace_all(StoreContent([], fixtures, []))
        assert await adding == {"added": 1000, "skipped": 0}
        assert await server.audiences() == []

    asyncio.run(run())


def test_a_search_finds_what_there_was_when_it_began() -> None:
    async def run() -> None:
        server = Server()
        audience_id = await server.create(ROWS[:1000])
        finding = asyncio.ensure_future(server.members(audience_id))
        for _ in range(10):
            await asyncio.sleep(0)
        await server.add(audience_id, ROWS[1000:1010])
        assert len(await finding) == 1000
        assert len(await server.members(audience_id)) == 1010

    asyncio.run(run())


def test_lists_show_the_data_of_their_beginning() -> None:
    async def run() -> None:
        server = Server()
        read, update = server.repositories.read, server.repositories.update
        first, second = await server.create(ROWS[:1]), await server.create(ROWS[:1])
        agent_id = await update(CALLER, lambda data: AgentRepository(data).create("Ada", "single_prompt"))
        for audience_id in (first, second):
            new: NewCampaign = {"name": audience_id, "agentId": agent_id, "audienceId": audience_id}
            await update(CALLER, partial(create_campaign, new=new))
        audiences = await read(CALLER, lambda data: AudienceRepository(data).list_audiences())
        campaigns = await read(CALLER, lambda data: CampaignRepository(data).list_campaigns(CampaignQuery(size=50)))
        next(audiences)
        next(campaigns)
        await server.add(second, ROWS[1:3])
        await update(CALLER, lambda data: AudienceRepository(data).set_campaigns(second, [{"name": "other"}]))
        await update(CALLER, lambda data: AudienceRepository(data).delete_audience(first))
        listed = run_without_pauses(audiences)[-2:]
        assert [(audience["_id"], audience["memberCount"]) for audience in listed] == [(first, 1), (second, 1)]
        found = {campaign["name"]: campaign for campaign in run_without_pauses(campaigns)["campaigns"]}
        for audience_id in (first, second):
            assert found[audience_id]["participantsCount"] == 1
            assert found[audience_id]["audience"] == {"_id": audience_id, "name": "Mine"}
        newest = (await server.audiences())[-1]
        assert (newest["_id"], newest["memberCount"]) == (second, 3)

    asyncio.run(run())


@pytest.mark.slow
def test_many_audiences_are_generated_in_slices_and_once_for_all_who_wait() -> None:
    async def run() -> None:
        server, caller = Server(), caller_for("sk_mock_many")
        generated = 0
        generate = Generator._audience  # noqa: SLF001 - what makes one audience

        def count_audiences(*arguments: Any) -> Any:  # noqa: ANN401 - those of the method
            nonlocal generated
            generated += 1
            return generate(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Generator, "_audience", count_audiences)
            work = asyncio.gather(*(server.audiences(caller) for _ in range(5)))
            results, pauses = await count_pauses(work)
        assert (generated, pauses > 500) == (1000, True)
        assert all(result == results[0] for result in results)
        assert len(results[0]) == 1000

    asyncio.run(run())


def test_fixtures_imported_meanwhile_replace_those_being_generated() -> None:
    async def run() -> None:
        server, caller = Server(), caller_for("sk_mock_many")
        listing = asyncio.ensure_future(server.audiences(caller))
        for _ in range(10):
            await asyncio.sleep(0)
        server.fixtures.import_data({})
        assert len(await listing) == 1000
        assert len(server.fixtures.initial_data(caller).audiences) == 1000

    asyncio.run(run())


def test_measuring_initial_data_takes_one_step_for_each_audience() -> None:
    data = InitialData([{"_id": f"{number:024x}"} for number in range(100)])
    assert sum(1 for _ in data.measure()) == 100
    assert data.size_bytes == InitialData(data.audiences).size_bytes


def test_a_tenant_that_was_deleted_meanwhile_is_not_changed() -> None:
    async def run() -> None:
        server = Server()
        await server.create(ROWS[:1])
        await server.audiences(caller_for("sk_other"))
        rule_id = (await server.store.add_rule(RULE)).id
        for tenant in (CALLER.tenant, caller_for("sk_other").tenant):
            await count_request(server.store, tenant, {rule_id: RuleCounter(1)})
        states = await server.store.tenants()
        removal = asyncio.ensure_future(server.store.remove_rules([rule_id]))
        while states[0].counters:  # noqa: ASYNC110 - the removal has no event for its first step
            await asyncio.sleep(0)
        await server.store.reset()
        await removal
        assert [len(state.counters) for state in states] == [0, 1]

    asyncio.run(run())


def test_a_state_is_freed_bit_by_bit() -> None:
    async def run() -> None:
        server = Server()
        for _ in range(3):
            await server.create(ROWS[:1000])
        await server.audiences(caller_for("sk_other"))
        states = await server.store.tenants()
        assert len(states) == 2
        assert states[0].changes is not None
        states[0].changes.deleted_ids |= {"1", "2"}
        assert sum(1 for _ in free(states)) == 2 + 4 + 2 + 1
        assert states == []

    asyncio.run(run())


def test_others_run_while_rules_and_states_are_removed_or_replaced() -> None:
    async def run() -> None:
        server, token_digest = Server(), CALLER.tenant.token_digest
        rule = parse_fault({"fault": "500", "match": {"token": CALLER.token}})
        for remove in (server.store.remove_rules, partial(server.store.reset, token_digest), server.store.reset):
            for _ in range(100):
                await server.store.add_rule(rule)
            assert (await count_pauses(remove()))[1] > 100
            assert await server.store.rules() == []
        rules = [ActiveRule(str(number), rule, (False, 0)) for number in range(100)]
        assert (await count_pauses(server.store.replace_all(StoreContent(rules, {}, []))))[1] > 100
        assert len(await server.store.rules()) == 100

    asyncio.run(run())


def test_a_reset_of_a_token_removes_all_its_tests_before_other_requests_run() -> None:
    async def run() -> None:
        server = Server(steps=2)
        tenants = [caller_for("sk_acme", str(number)).tenant for number in range(100)]
        for tenant in tenants:
            await count_request(server.store, tenant)
        reset = asyncio.ensure_future(server.store.reset(CALLER.tenant.token_digest))
        counts, pauses = set(), 0
        while not reset.done():
            counts.add(len(await server.store.tenants()))
            pauses += 1
            await asyncio.sleep(0)
        assert counts <= {0, 100}
        assert pauses > 100

    asyncio.run(run())


def test_a_long_change_of_a_client_that_has_disconnected_is_not_made_and_does_not_hold_up_the_next_one() -> None:
    async def run() -> None:
        server = Server()
        initial = await server.audiences()

        async def abandoned() -> None:
            IS_DISCONNECTED.set(iter([False, False, True]).__next__)
            with pytest.raises(ClientDisconnectedError):
                await server.create(ROWS)

        created = (await asyncio.gather(abandoned(), server.create(ROWS[:3])))[1]
        listed = [audience["_id"] for audience in await server.audiences()]
        assert sorted(listed) == sorted([created, *(audience["_id"] for audience in initial)])

    asyncio.run(run())


def test_requests_that_hold_a_slot_do_not_block_the_change_they_wait_for() -> None:
    async def run() -> list[Any]:
        server, are_taken = Server(steps=2), asyncio.Event()

        async def request(number: int) -> None:
            slot = server.slices.work_slot(number)
            WORK_SLOT.set(slot)
            if number < MAX_WORK_SLOTS:
                await slot.acquire()
                await are_taken.wait()
            are_taken.set()  # the last one is the first to change
            await server.create(ROWS[:1000])
            slot.release()

        await asyncio.wait_for(asyncio.gather(*map(request, range(MAX_WORK_SLOTS + 1))), 10)
        return await server.audiences()

    assert len(asyncio.run(run())) > MAX_WORK_SLOTS
