"""Responses of the routes."""

import asyncio
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.api.router import success, success_in_steps
from mock_atoms.core.slices import Result, Slices, Steps

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
DATA = st.recursive(
    LEAVES, lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4)
)


class CountingSlices(Slices):
    """Slices that count the steps they run."""

    steps = 0

    async def run_promptly(self, steps: Steps[Result], *, needs_slot: bool = True) -> Result:
        """Count `steps` and return their result."""

        def counted() -> Steps[Result]:
            while True:
                try:
                    next(steps)
                except StopIteration as stop:
                    return stop.value  # type: ignore[no-any-return] # as in `Slices`
                self.steps += 1
                yield

        return await super().run_promptly(counted(), needs_slot=needs_slot)


@given(DATA)
def test_a_response_rendered_in_steps_has_the_same_bytes(data: Any) -> None:  # noqa: ANN401 - any JSON
    in_steps = asyncio.run(success_in_steps(data, Slices(time.monotonic)))
    assert in_steps.body == success(data).body
    assert in_steps.headers == success(data).headers


def test_each_item_of_a_list_is_a_step() -> None:
    slices = CountingSlices(time.monotonic)
    asyncio.run(success_in_steps({"members": [{}] * 1000}, slices))
    assert slices.steps == 1000
