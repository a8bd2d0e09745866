"""A fault rule: which requests it matches, when it triggers, and its effect. docs/faults.md describes its JSON."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.masking import mask_json, mask_json_steps, mask_text
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.sizes import json_bytes, json_characters, json_problem
from mock_atoms.core.slices import Steps
from mock_atoms.faults.effects import ConnectionFault, Delay, FaultResponse, parse_connection_fault
from mock_atoms.faults.response_patch import ResponsePatch
from mock_atoms.faults.rule_match import RuleMatch

MAX_LIMITED_REQUESTS = 1_000_000
"""Maximum number of requests of a rate limit."""
MAX_WINDOW_SECONDS = 86_400
"""Maximum duration of the window of a rate limit."""
MAX_RULE_NAME_LENGTH = 200
MAX_RULE_VALUES = 5_000
MAX_RULE_CHARACTERS = 100_000
"""Maximum number of characters of a rule, except in what it sends."""
MAX_CONTENT_CHARACTERS = 500_000
"""Maximum number of characters of each part of what a rule sends, except headers."""
_KEYS = ("fault", "name", "match", "when", "delay", "respond", "alter", "connection")
"""Keys of the JSON of a rule, with that of an expression."""
_CONTENT_KEYS = ("body", "text", "errors")
"""Keys of `respond` that hold the content of the response."""
_RULE_BYTES = 2_500
"""Estimated memory of an active rule besides its JSON."""


class RateLimit(StrictModel):
    """A rate limit per tenant.

    Attributes:
        requests: maximum number of requests in a window.
        seconds: duration of a window. The first request opens it.
    """

    requests: Annotated[int, Field(ge=0, le=MAX_LIMITED_REQUESTS)]
    seconds: Annotated[int, Field(ge=1, le=MAX_WINDOW_SECONDS)] = 1


class RuleSchedule(StrictModel):
    """Choice of the matching requests that trigger a rule, counted per tenant.

    Attributes:
        after: number of matching requests that are ignored first.
        every: trigger for each n-th request after them.
        times: trigger at most this many times; `None` for no limit.
        probability: trigger with this probability, from 0 (never) to 1 (always).
        limit: trigger only for requests beyond this rate limit.
    """

    after: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=0)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    limit: RateLimit | None = None


def _parse_connection(value: object) -> ConnectionFault | None:
    return value if value is None or isinstance(value, ConnectionFault) else parse_connection_fault(value)


def _mask_name(name: str) -> str:
    masked = mask_text(name)
    if len(masked) > MAX_RULE_NAME_LENGTH:
        raise ValueError(f"must have at most {MAX_RULE_NAME_LENGTH} characters, when its keys are masked")
    return masked


class RuleTarget(StrictModel):
    """The part of a fault rule besides its effect.

    Attributes:
        name: description for readers.
        match: conditions on requests.
    """

    name: Annotated[str, Field(max_length=MAX_RULE_NAME_LENGTH), AfterValidator(_mask_name)] | None = None
    match: RuleMatch = RuleMatch()


class Rule(RuleTarget):
    """A fault rule.

    Attributes:
        when: choice of the matching requests that trigger it.
        delay: delay before the response.
        respond: response in place of the API's.
        alter: patch of the API's own response.
        connection: broken connection in place of a response.
    """

    when: RuleSchedule = RuleSchedule()
    delay: Delay | None = None
    respond: FaultResponse | None = None
    alter: ResponsePatch | None = None
    connection: Annotated[
        ConnectionFault | None,
        BeforeValidator(_parse_connection),
        PlainSerializer(str, return_type=str, when_used="unless-none"),
    ] = None

    @model_validator(mode="after")
    def _check_effects(self) -> "Rule":
        if sum(effect is not None for effect in (self.respond, self.connection, self.alter)) > 1:
            raise ValueError("use only one of respond, connection and alter")
        if self.delay is None and not self.is_terminal:
            raise ValueError("must have delay, respond, connection or alter")
        return self

    def as_json(self) -> dict[str, Any]:
        """Return its JSON without defaults, keys masked. The digest of the token allows to parse the rule again."""
        return {**self._masked_json}

    def measure(self) -> Steps[int]:
        """Return `size_bytes`. Then it and `as_json` take no time.

        Raises:
            ConfigError: the rule is too large with its keys masked, so that its export could not be imported.
        """
        json = self._json()
        masked = yield from mask_json_steps(json)
        try:
            check_rule_size(masked)  # digests of the token and the test id are added
            if masked != json:
                parse_rule(masked)
        except ConfigError as error:
            raise ConfigError(f"{error.problem}, when its keys are masked", error.pointer) from None
        self.__dict__["_masked_json"] = masked
        return self.size_bytes

    @cached_property
    def _masked_json(self) -> dict[str, Any]:
        return mask_json(self._json())  # type: ignore[no-any-return] # an object

    def _json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)

    @cached_property
    def size_bytes(self) -> int:
        """Memory of an active rule and its JSON, approximately."""
        return _RULE_BYTES + 2 * json_bytes(self._masked_json)

    @property
    def is_terminal(self) -> bool:
        """Whether it decides the response, not only its delay."""
        return self.respond is not None or self.connection is not None or self.alter is not None


def parse_rule(value: object) -> Rule:
    """Parse the JSON of a rule.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    return parse_model(Rule, value, keys=_KEYS)


def check_rule_size(rule: object) -> None:
    """Check the size of the JSON of a rule before it is validated. What it sends may have long texts.

    Raises:
        ConfigError: it has too many values or characters.
    """
    if json_problem(rule, MAX_JSON_DEPTH + 1, MAX_RULE_VALUES, MAX_RULE_CHARACTERS) is None:
        return
    problem = json_problem(rule, MAX_JSON_DEPTH + 1, MAX_RULE_VALUES)
    if problem:
        raise ConfigError(problem, "/")
    rest, contents = _split_content(rule) if isinstance(rule, Mapping) else (rule, {})
    for pointer, content in contents.items():
        characters = json_characters(content)
        if characters > MAX_CONTENT_CHARACTERS:
            problem = f"too large: {characters:,} characters; the maximum is {MAX_CONTENT_CHARACTERS:,}"
            raise ConfigError(problem, pointer)
    problem = json_problem(rest, MAX_JSON_DEPTH + 1, MAX_RULE_VALUES, MAX_RULE_CHARACTERS)
    if problem:
        raise ConfigError(problem, "/")


def _split_content(rule: Mapping[str, object]) -> tuple[object, dict[str, object]]:
    """Return a rule without what it sends, but with the pointers of `alter`, and what it sends by JSON pointer."""
    rest, contents = dict(rule), dict[str, object]()
    respond, alter = rule.get("respond"), rule.get("alter")
    if isinstance(respond, dict):
        rest["respond"] = {key: value for key, value in respond.items() if key not in _CONTENT_KEYS}
        contents = {f"/respond/{key}": respond[key] for key in _CONTENT_KEYS if key in respond}
    if isinstance(alter, dict) and isinstance(alter.get("values"), dict):
        rest["alter"] = {**alter, "values": [*alter["values"]]}
        contents["/alter/values"] = alter["values"]
    return rest, contents
