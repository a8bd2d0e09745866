"""JSONPath."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.regex import UnsupportedSyntaxError
from mock_atoms.wiremock.candidate import NOT_JSON, Candidate
from mock_atoms.wiremock.json_matching import MAX_PATTERN_DEPTH, size_problem
from mock_atoms.wiremock.operands import Operand, OperandContext
from mock_atoms.wiremock.steps import StepCounter

MAX_PATH_LENGTH = 2_000
MAX_PATH_TOKENS = 200
_ENGINE = "mock_atoms.wiremock.json_path_engine"


async def load_library(pattern: object) -> None:
    """Load the JSONPath library in a thread if `pattern` needs it, because that takes tens of milliseconds."""
    if size_problem(pattern, MAX_PATTERN_DEPTH) is None and "matchesJsonPath" in json.dumps(pattern):
        await asyncio.to_thread(import_module, _ENGINE)


class JsonPath:
    """A JSONPath.

    Args:
        text: the path.
        pointer: JSON pointer to it.
        steps: counts the work to parse it.

    Raises:
        ConfigError: the text is not a JSONPath, or too long.
    """

    def __init__(self, text: str, pointer: str, steps: StepCounter) -> None:
        from mock_atoms.wiremock.json_path_engine import Environment  # noqa: PLC0415 - slow, and few patterns need it

        if len(text) > MAX_PATH_LENGTH:
            raise ConfigError(f"{len(text):,} characters of a JSONPath: at most {MAX_PATH_LENGTH:,}", pointer)
        self._environment = Environment(steps)
        try:
            self._path = self._environment.compile_counted(text, MAX_PATH_TOKENS)
        except ConfigError:
            raise
        except UnsupportedSyntaxError as error:
            raise ConfigError(f"{error}: join simpler filters with &&, || and !", pointer) from None
        except Exception as error:  # noqa: BLE001 - the library raises any exception for an invalid filter
            raise ConfigError(f"not a JSONPath: {error}", pointer) from None
        self.is_single = self._path.singular_query()
        """Whether it finds at most one value."""
        self._filters_root = re.match(r"\$\s*\[\s*\?", text) is not None

    def find(self, content: object, steps: StepCounter) -> list[Any]:
        """Return the values found in `content`; none if a filter cannot be applied.

        Raises:
            ConfigError: it takes too many steps.
        """
        steps.count_steps(40)
        self._environment.begin(steps)
        if self._filters_root and isinstance(content, dict):
            content = [content]  # WireMock filters the object itself, RFC 9535 its members
        try:
            return [node.obj for node in self._path.finditer(content)]
        except ConfigError:
            raise
        except Exception:  # noqa: BLE001 - as in WireMock, values that a filter cannot compare do not match
            return []


class MaskedJsonPath:
    """A JSONPath of a pattern in all forms that it can have in the journal, since credentials are masked there.

    Args:
        text: the path.
        context: its place in the pattern.

    Raises:
        ConfigError: the text is not a JSONPath, or too long.
    """

    def __init__(self, text: str, context: OperandContext) -> None:
        self._operand = Operand(text, context)
        self._context = context
        self._paths = {
            form: JsonPath(form, context.pointer, context.steps) for form in dict.fromkeys((text, self.masked))
        }
        self.is_single = self._paths[text].is_single
        """Whether it finds at most one value."""

    @property
    def masked(self) -> str:
        """The path with credentials masked."""
        return self._operand.masked

    def find(self, text: str | None, candidate: Candidate) -> Iterator[list[Any]]:
        """Yield the values that each form of the path finds in a JSON text."""
        content = candidate.json(text)
        for form in self._operand.forms(candidate):
            if form not in self._paths:
                with suppress(ConfigError):  # a masked number is no number
                    self._paths[form] = JsonPath(form, self._context.pointer, StepCounter())
            if form in self._paths:
                yield [] if content is NOT_JSON else self._paths[form].find(content, candidate)
