"""Scenarios: sequences of responses of stubs. Each tenant has its own state of a scenario."""

from dataclasses import dataclass, field

from mock_atoms.wiremock.stubs import Stub

STARTED = "Started"
"""State of each scenario at the start, and after a reset."""

IMPORTED_GENERATION = 0
"""Generation of scenarios, and of the states of tenants, directly after an import."""
ScenarioStates = dict[str, tuple[int, str]]
"""State of each scenario that a tenant has moved, with the generation of the scenario at that time."""


@dataclass(slots=True, eq=False)
class Scenario:
    """A scenario.

    Attributes:
        name: its name.
        generation: a number that changes when the states of all tenants are set. Older states have no effect.
        state: the state of tenants that have not moved it since.
        latest_state: the state that a tenant has reached last.
        stubs: its stubs by id.
    """

    name: str
    generation: int
    state: str = STARTED
    latest_state: str = STARTED
    stubs: dict[str, Stub] = field(default_factory=dict)

    def set_state(self, state: str, generation: int) -> None:
        """Set the state of all tenants."""
        self.state = self.latest_state = state
        self.generation = generation

    def state_of(self, states: ScenarioStates) -> str:
        """Return its state, given all states of a tenant."""
        generation, state = states.get(self.name, (self.generation, self.state))
        return state if generation == self.generation else self.state

    def move(self, states: ScenarioStates, state: str) -> None:
        """Change its state for the tenant with these states."""
        states[self.name] = self.generation, state
        self.latest_state = state

    @property
    def possible_states(self) -> list[str]:
        """All states that its stubs name, `Started` first."""
        named = (state for stub in self.stubs.values() for state in (stub.required_state, stub.new_state))
        return [*dict.fromkeys([STARTED, *(state for state in named if state is not None)])]
