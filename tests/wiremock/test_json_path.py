"""JSONPaths and their memory."""

import gc
from contextlib import suppress

import pytest

from mock_atoms.core.parsing import ConfigError
from mock_atoms.wiremock.json_path import JsonPath
from mock_atoms.wiremock.json_path_engine import Environment
from mock_atoms.wiremock.steps import StepCounter


@pytest.mark.parametrize(
    "path", ["$.a[?search(@.b, 'x')]", "$.a[?@.b == 1]", "$.a[?(", "$" + ".a" * 300, "$[?match(@.a, '(')]"]
)
def test_a_json_path_leaves_no_reference_cycle(path: str) -> None:
    """A server visits only new objects for garbage, and not those of a pattern that waited for a while."""

    def count_environments() -> int:
        return sum(isinstance(item, Environment) for item in gc.get_objects())

    gc.collect()
    before = count_environments()
    gc.disable()
    try:
        with suppress(ConfigError):
            assert JsonPath(path, "", StepCounter()).find({"a": [{"b": "x"}]}, StepCounter()) is not None
        assert count_environments() == before
    finally:
        gc.enable()
