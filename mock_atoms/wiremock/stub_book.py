"""The active stubs: those from the files of the server, and those created since."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.slices import Divisible, Steps, collect, run_without_pauses
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.scenarios import IMPORTED_GENERATION, STARTED, Scenario, ScenarioStates
from mock_atoms.wiremock.stub_index import StubIndex, by_number, sort_stubs
from mock_atoms.wiremock.stubs import Stub

MAX_STUBS = 10_000
"""Maximum number of stubs."""
MAX_IMMEDIATE_CHANGES = 500
"""Number of stubs that are added and removed without a pause. More changes are prepared in a copy."""
MAX_COMPARED_ROUTES = 50
"""Number of stubs that are compared to find out whether one has the route of a request."""
MAX_STUBS_BYTES = 128 * 1024 * 1024
"""Maximum memory of all stubs, approximately."""


class StubSet(Divisible):
    """Stubs by id, and their index.

    Attributes:
        by_id: the stubs.
        index: the stubs by path.
        size_bytes: memory of all stubs, approximately.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Stub] = {}
        self.index = StubIndex()
        self.size_bytes = 0

    def add(self, stub: Stub) -> None:
        """Add a stub."""
        self.by_id[stub.id] = stub
        self.index.add(stub)
        self.size_bytes += stub.size_bytes

    def remove(self, stub: Stub) -> None:
        """Remove a stub."""
        del self.by_id[stub.id]
        self.index.remove(stub)
        self.size_bytes -= stub.size_bytes

    def parts(self) -> list[Any]:
        """Return the stubs and the index."""
        return [*self.by_id.values(), self.index]


class StubBook:
    """The active stubs and their scenarios. Only a store changes them.

    Args:
        startup_stubs: the stubs of files, in the order of these.

    Attributes:
        version: a number that changes with the stubs and with the states of scenarios for all tenants.
        is_empty: whether there are no stubs.
        scenarios: the scenarios by name.
        startup_stubs: the stubs that a reset restores.
        is_imported: whether the stubs are those of an import, perhaps changed since.
    """

    def __init__(self, startup_stubs: Sequence[Stub] = ()) -> None:
        self.startup_stubs = startup_stubs
        self._stubs = StubSet()
        self._last_number = self._last_generation = 0
        self._new_numbers: dict[Stub, int] | None = None  # of a copy, whose stubs another book still has
        self.version = 0
        self.is_empty = True
        self.is_imported = False
        self.scenarios: dict[str, Scenario] = {}
        self.reset()

    def __len__(self) -> int:
        return len(self._stubs.by_id)

    def get(self, stub_id: str) -> Stub | None:
        """Return the stub with this id, or `None` if there is none."""
        return self._stubs.by_id.get(stub_id)

    def in_order(self) -> list[Stub]:
        """Return all stubs in order of precedence."""
        return sort_stubs(self._stubs.by_id.values())

    def by_age(self) -> list[Stub]:
        """Return all stubs in the order in which they were added."""
        return sorted(self._stubs.by_id.values(), key=by_number)

    def find(self, method: str, *paths: str) -> list[Stub]:
        """Return the stubs that may match a request, in order of precedence; see `StubIndex.find`."""
        return self._stubs.index.find(method, *paths)

    def has_route(self, exchange: Exchange, path: str) -> bool:
        """Return whether a stub has the method and the path of a request. Its other conditions do not matter.

        Stubs with a regular expression do not count. At most `MAX_COMPARED_ROUTES` are compared.

        Args:
            exchange: the request, with its path as the journal keeps it.
            path: its path as sent.
        """
        found = self._stubs.index.find_by_route(exchange.method, *{path, exchange.path})
        return any(stub.pattern.matches_route(exchange) for stub in islice(found, MAX_COMPARED_ROUTES))

    def may_have(self, path: str) -> bool:
        """Return whether a stub may match a path or a path template, with any method."""
        return self._stubs.index.may_have(path)

    def change(self, change: Callable[["StubBook"], Steps[list[Any]]], size: int) -> Steps[list[Any]]:
        """Change the stubs all or nothing. No request sees a part of the change. No other change may be made meanwhile.

        Args:
            change: changes a book. A long change is applied to a copy, step by step, which then replaces this one.
            size: about how many stubs it adds and removes.

        Returns:
            What was removed.
        """
        if size <= MAX_IMMEDIATE_CHANGES:
            return run_without_pauses(change(self))
        copy = yield from self._copy()
        yield from change(copy)
        return self._adopt(copy)

    def _copy(self) -> Steps["StubBook"]:
        copy = StubBook()
        copy._new_numbers = {}
        copy.startup_stubs, copy.is_imported = self.startup_stubs, self.is_imported
        copy._last_number, copy._last_generation = self._last_number, self._last_generation
        for name, scenario in [*self.scenarios.items()]:
            copy.scenarios[name] = replace(scenario, stubs={**scenario.stubs})
            yield
        for stub in [*self._stubs.by_id.values()]:
            copy._stubs.add(stub)
            yield
        return copy

    def _adopt(self, other: "StubBook") -> list[Any]:
        """Take over the content of another book, and return what was removed."""
        removed, self._stubs = self._stubs, other._stubs  # noqa: SLF001 - of another book
        self.startup_stubs, self.is_imported = other.startup_stubs, other.is_imported
        for name in self.scenarios.keys() & other.scenarios.keys():
            if other.scenarios[name].generation == self.scenarios[name].generation:
                other.scenarios[name].latest_state = self.scenarios[name].latest_state  # a request may have moved it
        self.scenarios = other.scenarios
        self._last_number = other._last_number  # noqa: SLF001 - the same
        self._last_generation = other._last_generation  # noqa: SLF001 - the same
        for stub, number in (other._new_numbers or {}).items():  # noqa: SLF001 - the same
            stub.number = number
        self._note_change()
        return [removed]

    def put(self, stubs: Sequence[Stub], *, keeps_existing: bool = False, removes_others: bool = False) -> list[Any]:
        """Add stubs, see `put_steps`."""
        steps = self.put_steps(stubs, keeps_existing=keeps_existing, removes_others=removes_others)
        return run_without_pauses(steps)

    def put_steps(
        self, stubs: Sequence[Stub], *, keeps_existing: bool = False, removes_others: bool = False
    ) -> Steps[list[Any]]:
        """Add stubs. One with the id of another replaces it, in its place.

        Args:
            stubs: the stubs.
            keeps_existing: whether those with the id of another have no effect.
            removes_others: whether to remove all that have no id of `stubs`.

        Returns:
            What was removed.

        Raises:
            CapacityError: there would be too many, or they are too large. Nothing has changed.
        """
        current = self._stubs.by_id
        ids = {stub.id for stub in stubs}
        others = [stub for stub in current.values() if removes_others and stub.id not in ids]
        new = {stub.id: stub for stub in stubs if not (keeps_existing and stub.id in current)}
        replaced = [current[stub_id] for stub_id in new if stub_id in current]
        count = len(current) + len(new) - len(replaced) - len(others)
        size_bytes = self._stubs.size_bytes + _size(new.values()) - _size(replaced) - _size(others)
        check_stub_capacity(count, size_bytes)
        for stub in new.values():
            self._put(stub)
            yield
        for stub in others:
            self._remove(stub)
            yield
        self._note_change()
        return [*replaced, *others]

    def remove_steps(self, stub_ids: Iterable[str]) -> Steps[list[Any]]:
        """Remove the stubs with these ids. Unknown ids have no effect. Return the removed stubs."""
        removed = []
        for stub in map(self.get, stub_ids):
            if stub is not None:
                self._remove(stub)
                removed.append(stub)
            yield
        self._note_change()
        return removed

    def remove_all(self) -> list[Any]:
        """Remove all stubs, and return what was removed."""
        removed, self._stubs, self.scenarios = [self._stubs, *self.scenarios.values()], StubSet(), {}
        self._note_change()
        return removed

    def save_steps(self) -> Steps[list[Any]]:
        """Make all stubs persistent, and return what was replaced."""
        stubs = yield from collect(stub.as_persistent() for stub in self._stubs.by_id.values())
        return (yield from self.put_steps(stubs))

    def reset(self) -> list[Any]:
        """Reset all stubs, see `reset_steps`."""
        return run_without_pauses(self.reset_steps())

    @property
    def reset_size(self) -> int:
        """About how many stubs a reset adds."""
        return len(self.startup_stubs) + len(self)

    def reset_steps(self) -> Steps[list[Any]]:
        """Restore the stubs of files, keep the persistent ones, and reset all scenarios. Return what was removed."""
        self.is_imported = False
        kept = self.persistent_besides(self.startup_stubs)
        return (yield from self._replace([*self.startup_stubs, *kept]))

    def persistent_besides(self, stubs: Iterable[Stub]) -> list[Stub]:
        """Return the persistent stubs whose ids none of `stubs` has, in the order in which they were added."""
        ids = {stub.id for stub in stubs}
        return [stub for stub in self.by_age() if stub.is_persistent and stub.id not in ids]

    def replace_startup_steps(self, startup_stubs: Sequence[Stub]) -> Steps[list[Any]]:
        """Replace the stubs of files by others, and return what was removed.

        Those that were created or edited since, and the states of scenarios, stay. After an import, only a reset
        restores the stubs of files.

        Args:
            startup_stubs: the stubs of files, in the order of these.

        Raises:
            CapacityError: there would be too many stubs, or they are too large. Nothing has changed.
        """
        if self.is_imported:
            self.startup_stubs = startup_stubs
            return []
        from_files = {id(stub) for stub in self.startup_stubs}
        kept = {stub.id: stub for stub in self.by_age() if id(stub) not in from_files}
        stubs = {stub.id: kept.get(stub.id, stub) for stub in startup_stubs} | kept
        check_stub_capacity(len(stubs), _size(stubs.values()))
        self.startup_stubs = startup_stubs
        scenarios = self.scenarios
        removed = yield from self._replace(stubs.values())
        for name in self.scenarios.keys() & scenarios.keys():
            scenarios[name].stubs = self.scenarios[name].stubs
            self.scenarios[name] = scenarios[name]
        return removed

    def return_steps(self, stubs: Sequence[Stub], states: Iterable[tuple[str, str]]) -> Steps[list[Any]]:
        """Replace all stubs as `import_steps` does, but keep the persistent ones if there is room for all of them.

        Later resets restore `stubs`, too.
        """
        with_persistent = [*stubs, *self.persistent_besides(stubs)]
        has_room = len(with_persistent) <= MAX_STUBS and _size(with_persistent) <= MAX_STUBS_BYTES
        self.startup_stubs = stubs
        return (yield from self.import_steps(with_persistent if has_room else stubs, states))

    def import_steps(self, stubs: Iterable[Stub], states: Iterable[tuple[str, str]]) -> Steps[list[Any]]:
        """Replace all stubs and the states of their scenarios. Return what was removed.

        Args:
            stubs: the stubs, in the order in which they were added.
            states: name and state of each scenario that is not in its first state.
        """
        self.is_imported = True
        removed = yield from self._replace(stubs)
        for scenario in self.scenarios.values():
            scenario.generation = IMPORTED_GENERATION
        for name, state in states:
            if name in self.scenarios:
                self.scenarios[name].set_state(state, IMPORTED_GENERATION)
        return removed

    def _replace(self, stubs: Iterable[Stub]) -> Steps[list[Any]]:
        removed = self.remove_all()
        self._last_number = 0
        for stub in stubs:
            self._put(stub)
            yield
        self._note_change()
        return removed

    def choose(self, stub_ids: Iterable[str], states: ScenarioStates) -> Stub | None:
        """Return the first stub whose scenario is in the state that it requires, and move the scenario.

        Args:
            stub_ids: ids of the stubs that match a request, in order of precedence. Unknown ids have no effect.
            states: the states of the tenant, which this changes.
        """
        for stub in map(self.get, stub_ids):
            if stub is None:
                continue
            scenario = None if stub.scenario is None else self.scenarios[stub.scenario]
            if scenario is None:
                return stub
            if stub.required_state in (None, scenario.state_of(states)):
                if stub.new_state is not None:
                    scenario.move(states, stub.new_state)
                return stub
        return None

    def set_scenarios(self, state: str = STARTED, name: str | None = None) -> None:
        """Set the state of one scenario, or of all, for all tenants."""
        self._last_generation += 1
        for scenario in self.scenarios.values():
            if name in (None, scenario.name):
                scenario.set_state(state, self._last_generation)
        self._note_change()

    def moved_scenarios(self) -> list[tuple[str, str]]:
        """Return name and state of the scenarios that are not in their first state for all tenants."""
        return [(name, scenario.state) for name, scenario in self.scenarios.items() if scenario.state != STARTED]

    def _note_change(self) -> None:
        self.version += 1
        self.is_empty = not self._stubs.by_id

    def _put(self, stub: Stub) -> None:
        previous = self.get(stub.id)
        if previous is None:
            self._last_number += 1
            number = self._last_number
        else:
            number = previous.number
            self._stubs.remove(previous)
        if self._new_numbers is None:
            stub.number = number
        else:
            self._new_numbers[stub] = number
        self._stubs.add(stub)
        if stub.scenario is not None:
            if stub.scenario not in self.scenarios:
                self._last_generation += 1
                self.scenarios[stub.scenario] = Scenario(stub.scenario, self._last_generation)
            self.scenarios[stub.scenario].stubs[stub.id] = stub
        if previous is not None and previous.scenario != stub.scenario:
            self._leave_scenario(previous)

    def _remove(self, stub: Stub) -> None:
        self._stubs.remove(stub)
        self._leave_scenario(stub)

    def _leave_scenario(self, stub: Stub) -> None:
        if stub.scenario is not None:
            scenario = self.scenarios[stub.scenario]
            del scenario.stubs[stub.id]
            if not scenario.stubs:
                del self.scenarios[stub.scenario]


def check_stub_capacity(count: int, size_bytes: int) -> None:
    """Check the number and the memory of all stubs.

    Raises:
        CapacityError: there are too many, or they are too large.
    """
    if count > MAX_STUBS:
        raise CapacityError(f"there can be at most {MAX_STUBS} stubs: delete those of finished tests")
    if size_bytes > MAX_STUBS_BYTES:
        raise CapacityError(
            f"the stubs need about {size_bytes} bytes; the maximum is {MAX_STUBS_BYTES}: delete those of finished tests"
        )


def _size(stubs: Iterable[Stub]) -> int:
    return sum(stub.size_bytes for stub in stubs)
