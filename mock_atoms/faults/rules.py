"""A fault rule: which requests it matches, when it triggers, and its effect. docs/faults.md describes its JSON."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.masking import mask_json, mask_text
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.sizes import json_bytes, json_problem
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
_PAYLOAD_KEYS = ("body", "text", "errors")
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


class Rule(StrictModel):
    """A fault rule.

    Attributes:
        name: description for readers.
        match: conditions on requests.
        when: choice of the matching requests that trigger it.
        delay: delay before the response.
        respond: response in place of the API's.
        alter: patch of the API's own response.
        connection: broken connection in place of a response.
    """

    name: Annotated[str, Field(max_length=MAX_RULE_NAME_LENGTH), AfterValidator(mask_text)] | None = None
    match: RuleMatch = RuleMatch()
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
        return mask_json(self.model_dump(mode="json", exclude_defaults=True))  # type: ignore[no-any-return] # an object

    @cached_property
    def size_bytes(self) -> int:
        """Memory of an active rule, approximately."""
        return _RULE_BYTES + json_bytes(self.as_json())

    @property
    def is_terminal(self) -> bool:
        """Whether it decides the response, not only its delay."""
        return self.respond is not None or self.connection is not None or self.alter is not None


def parse_rule(value: object) -> Rule:
    """Parse the JSON of a rule.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    return parse_model(Rule, value)


def check_rule_size(rule: object) -> None:
    """Check the size of the JSON of a rule before it is validated. What it sends may have long texts.

    Raises:
        ConfigError: it has too many values or characters.
    """
    problem = json_problem(rule, MAX_JSON_DEPTH + 1, MAX_RULE_VALUES) or json_problem(
        _without_payload(rule), MAX_JSON_DEPTH + 1, MAX_RULE_VALUES, MAX_RULE_CHARACTERS
    )
    if problem:
        raise ConfigError(problem, "/")


def _without_payload(rule: object) -> object:
    """Return a rule without what it sends. Only the pointers of `alter` are kept."""
    if not isinstance(rule, Mapping):
        return rule
    kept = dict(rule)
    respond, alter = kept.get("respond"), kept.get("alter")
    if isinstance(respond, dict):
        kept["respond"] = {key: value for key, value in respond.items() if key not in _PAYLOAD_KEYS}
    if isinstance(alter, dict) and isinstance(alter.get("values"), dict):
        kept["alter"] = {**alter, "values": [*alter["values"]]}
    return kept
