"""A stub: which requests it matches, and its response. docs/stubs.md describes its JSON, which is WireMock's."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from hashlib import blake2b
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.masking import mask_json_steps, mask_text_steps
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.sizes import json_bytes, json_characters, json_problem
from mock_atoms.core.slices import Slices, Steps
from mock_atoms.journal.credentials import Credentials
from mock_atoms.wiremock.json_path import load_library
from mock_atoms.wiremock.pattern_masking import mask_pattern
from mock_atoms.wiremock.patterns import RequestPattern, parse_pattern
from mock_atoms.wiremock.stub_index import stub_key
from mock_atoms.wiremock.stub_response import (
    MAX_STUB_FILE_BYTES,
    ReadBodyFile,
    StubResponse,
    StubResponseFields,
    render_response,
)

DEFAULT_PRIORITY = 5
MAX_PRIORITY = 1_000_000_000
MAX_STUB_VALUES = 5_000
MAX_STUB_CHARACTERS = 100_000
"""Maximum number of characters of a stub, except in its body."""
MAX_STUB_BODY_CHARACTERS = 500_000
"""Maximum number of characters of the body in a stub."""
MAX_SCENARIO_NAME_LENGTH = 200
_STUB_BYTES = 6_000
"""Estimated memory of a stub besides its JSON and its body."""
_BODY_KEYS = ("body", "jsonBody", "base64Body")
_KEYS = (
    *("name", "request", "response", "priority", "persistent", "metadata"),
    *("scenarioName", "requiredScenarioState", "newScenarioState"),
)
_FILE_KEY = "fileBody"
"""Key of the content of the file in `bodyFileName`, in Base64, in logs and in exported state only."""
_LACKING = {
    "postServeActions": "actions after a response are not supported",
    "serveEventListeners": "listeners are not supported",
}
_LACKING_IN_RESPONSE = {
    "transformers": "response templates and transformers are not supported: write the response as it is",
    "transformerParameters": "response templates and transformers are not supported: write the response as it is",
    **dict.fromkeys(
        ("proxyBaseUrl", "proxyUrlPrefixToRemove", "additionalProxyRequestHeaders", "removeProxyRequestHeaders"),
        "proxying is not supported: write the response into the stub",
    ),
    "fromConfiguredStub": "only responses of the journal have this field: leave it out",
}

ScenarioText = Annotated[str, Field(min_length=1, max_length=MAX_SCENARIO_NAME_LENGTH)]


def _check_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


StubId = Annotated[str, AfterValidator(_check_id)]


def _without_nulls(value: object) -> object:
    """Return an object without the fields that are `null`, which clients write for absent ones."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, Mapping) else value


class StubFields(StrictModel):
    """The JSON of a stub. Its request pattern is parsed separately.

    Attributes:
        id: its id.
        uuid: the same.
        name: description for readers.
        request: the request pattern.
        response: the response.
        priority: stubs with a lower number come first; then those that were added last.
        scenarioName: name of its scenario.
        requiredScenarioState: matches only in this state of the scenario.
        newScenarioState: state of the scenario after the response.
        persistent: whether a reset keeps it.
        metadata: any JSON object, to find and remove it by.
    """

    id: StubId | None = None
    uuid: StubId | None = None
    name: str | None = None
    request: dict[str, Any] = {}  # noqa: RUF012 - a field of pydantic, which copies it
    response: Annotated[StubResponseFields, BeforeValidator(_without_nulls)] = StubResponseFields()
    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] = DEFAULT_PRIORITY
    scenarioName: ScenarioText | None = None  # noqa: N815 - JSON's own spelling
    requiredScenarioState: ScenarioText | None = None  # noqa: N815 - the same
    newScenarioState: ScenarioText | None = None  # noqa: N815 - the same
    persistent: bool = False
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_fields(self) -> "StubFields":
        if self.id is not None and self.uuid is not None and self.id != self.uuid:
            raise ValueError("id and uuid differ: give one of them")
        if self.scenarioName is None and (self.requiredScenarioState or self.newScenarioState):
            raise ValueError("a scenario state needs scenarioName: give both")
        return self


class Stub:
    """A stub. Only its number changes, when a book has it.

    Args:
        fields: its JSON, validated.
        masked: its JSON, credentials masked, without `id` and `uuid`.
        pattern: its request pattern.
        response: its response.
        file_body: the file with its body, credentials masked, in Base64; `None` if it has none.
    """

    def __init__(
        self,
        fields: StubFields,
        masked: dict[str, Any],
        pattern: RequestPattern,
        response: StubResponse,
        file_body: str | None,
    ) -> None:
        digest = blake2b(json.dumps([masked, file_body], sort_keys=True).encode(), digest_size=16).digest()
        self.id = fields.id or fields.uuid or str(UUID(bytes=digest, version=4))
        self.has_own_id = fields.id is not None or fields.uuid is not None
        self.pattern = pattern
        body = tuple(condition for condition in pattern.conditions if condition.needs_body)
        self.head_pattern = RequestPattern(
            tuple(condition for condition in pattern.conditions if not condition.needs_body)
        )
        self.body_pattern = RequestPattern(body) if body else None
        self.key = stub_key(fields.request)
        self.response = response
        self.priority = fields.priority
        self.scenario: str | None = masked.get("scenarioName")  # as in exports, so that they agree
        self.required_state: str | None = masked.get("requiredScenarioState")
        self.new_state: str | None = masked.get("newScenarioState")
        self.is_persistent = fields.persistent
        self.number = 0
        self._masked = masked
        self._file_body = file_body
        self.size_bytes = _STUB_BYTES + 2 * json_bytes(masked) + 2 * len(file_body or "") + len(response.body)

    def as_persistent(self) -> "Stub":
        """Return the same stub, which a reset keeps."""
        stub = copy(self)
        stub.is_persistent = True
        stub._masked = {**self._masked, "persistent": True}  # noqa: SLF001 - of its copy
        return stub

    def as_json(self) -> dict[str, Any]:
        """Return its JSON, credentials masked."""
        return {"id": self.id, "uuid": self.id, **self._masked}

    def as_record(self) -> dict[str, Any]:
        """Return its JSON with the file that it sends. Any server can parse it."""
        return self.as_json() | ({} if self._file_body is None else {_FILE_KEY: self._file_body})

    @property
    def request_json(self) -> dict[str, Any]:
        """JSON of its request pattern, credentials masked."""
        request: dict[str, Any] = self._masked["request"]
        return request

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata."""
        return self._masked.get("metadata") or {}


class StubIds:
    """Gives different ids to stubs that are added together, in linear time even if all are equal.

    Args:
        is_taken: returns whether another stub has an id.
    """

    def __init__(self, is_taken: Callable[[str], bool]) -> None:
        self._is_taken = is_taken
        self._copies: dict[str, int] = {}  # number of the last copy by the id of the first

    def give(self, stub: Stub) -> Steps[None]:
        """Give a stub another id if it was generated and another stub has it."""
        if stub.has_own_id:
            return
        first_id = stub.id
        number = self._copies.get(first_id, 1)
        while self._is_taken(stub.id):
            number += 1
            stub.id = _copy_id(first_id, number)
            yield
        self._copies[first_id] = number


def _copy_id(stub_id: str, number: int) -> str:
    return str(UUID(bytes=blake2b(f"{stub_id} {number}".encode(), digest_size=16).digest(), version=4))


def lacking_features(value: object) -> list[ConfigError]:
    """Return an error for each feature of WireMock that a stub uses and mock-atoms lacks."""
    if not isinstance(value, Mapping):
        return []
    response = value.get("response")
    parts = [
        ("", value, _LACKING),
        ("/response", response if isinstance(response, Mapping) else {}, _LACKING_IN_RESPONSE),
    ]
    return [
        ConfigError(problem, f"{pointer}/{key}")
        for pointer, fields, problems in parts
        for key, problem in problems.items()
        if fields.get(key)
    ]


def parse_stub(value: object, credentials: Credentials, read_file: ReadBodyFile) -> Steps[Stub]:
    """Return a stub.

    Args:
        value: its JSON.
        credentials: masks credentials.
        read_file: reads the file of `bodyFileName`.

    Raises:
        ConfigError: it is invalid or not supported; names the field by JSON pointer.
    """
    stub, is_masked = yield from _parse(value, credentials, read_file)
    if is_masked:
        try:
            yield from parse_record(stub.as_record(), credentials)
        except ConfigError as error:
            raise ConfigError(f"{error.problem}, when its keys are masked", error.pointer) from None
    return stub


def parse_record(value: object, credentials: Credentials) -> Steps[Stub]:
    """Return the stub that `Stub.as_record` described.

    Raises:
        ConfigError: it is invalid; names the field by JSON pointer.
    """
    file_body = value.get(_FILE_KEY) if isinstance(value, Mapping) else None

    def read_file(_name: str) -> bytes:
        if not isinstance(file_body, str):
            raise ValueError(f"{_FILE_KEY} is missing: it has the content of the file in Base64")  # noqa: TRY004 - as other files
        content = b64decode(file_body, validate=True)
        if len(content) > MAX_STUB_FILE_BYTES:
            raise ValueError(f"too large: at most {MAX_STUB_FILE_BYTES:,} bytes")
        return content

    rest = {key: item for key, item in value.items() if key != _FILE_KEY} if isinstance(value, Mapping) else value
    stub, _ = yield from _parse(rest, credentials, read_file)
    return stub


async def load_json_path(slices: Slices, values: Sequence[object]) -> None:
    """Load the JSONPath library in a thread if one of the stubs needs it."""
    if await slices.run_promptly(_use_json_path(values), needs_slot=False):
        await load_library({"matchesJsonPath": ""})


def _use_json_path(values: Sequence[object]) -> Steps[bool]:
    for value in values:
        request = value.get("request") if isinstance(value, Mapping) else None
        if isinstance(request, Mapping) and "matchesJsonPath" in json.dumps(request):
            return True
        yield
    return False


def parse_records(values: Sequence[object], credentials: Credentials) -> Steps[list[Stub]]:
    """Return the stubs that `Stub.as_record` described.

    Raises:
        ConfigError: one is invalid; names the field by JSON pointer.
    """
    stubs = []
    for number, value in enumerate(values):
        try:
            stubs.append((yield from parse_record(value, credentials)))
        except ConfigError as error:
            raise ConfigError(error.problem, f"/{number}{error.pointer.rstrip('/')}") from None
    return stubs


def _parse(value: object, credentials: Credentials, read_file: ReadBodyFile) -> Steps[tuple[Stub, bool]]:
    """Return a stub, and whether its JSON differs from `value` because credentials are masked."""
    _check_size(value)
    for problem in lacking_features(value):
        raise problem
    cleaned = _without_nulls(value)
    if isinstance(cleaned, dict):
        cleaned = {key: item for key, item in cleaned.items() if key not in _LACKING}
        response = _without_nulls(cleaned.get("response", {}))
        if isinstance(response, dict):
            cleaned["response"] = {key: item for key, item in response.items() if key not in _LACKING_IN_RESPONSE}
    fields = parse_model(StubFields, cleaned)
    yield
    content_fields: dict[str, Any] = cleaned if isinstance(cleaned, dict) else {}
    content: dict[str, Any] = {
        "request": {},
        "response": {},
        **{key: content_fields[key] for key in _KEYS if key in content_fields},
    }
    try:
        pattern = parse_pattern(content["request"], credentials)
    except ConfigError as error:
        raise ConfigError(error.problem, f"/request{error.pointer.rstrip('/')}") from None
    yield
    try:
        response = render_response(fields.response, read_file)
    except ConfigError as error:
        raise ConfigError(error.problem, f"/response{error.pointer}") from None
    yield
    request = content.pop("request")
    masked_request = yield from mask_pattern(request, credentials)
    masked = {"request": masked_request, **(yield from mask_json_steps(content))}
    file_body, is_file_masked = None, False
    if fields.response.bodyFileName is not None:
        file_content = yield from _mask_file(response.body)
        file_body, is_file_masked = b64encode(file_content).decode(), file_content != response.body
    is_masked = is_file_masked or masked != {"request": request, **content}
    return Stub(fields, masked, pattern, response, file_body), is_masked


def _mask_file(content: bytes) -> Steps[bytes]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    return (yield from mask_text_steps(text)).encode()


def _check_size(value: object) -> None:
    """Check the size of the JSON of a stub before it is validated. Its body may be longer than the rest.

    Raises:
        ConfigError: it has too many values, levels or characters.
    """
    if problem := json_problem(value, MAX_JSON_DEPTH, MAX_STUB_VALUES):
        raise ConfigError(problem, "/")
    rest = value
    response = value.get("response") if isinstance(value, Mapping) else None
    if isinstance(value, Mapping) and isinstance(response, Mapping):
        rest = {**value, "response": {key: item for key, item in response.items() if key not in _BODY_KEYS}}
        for key in _BODY_KEYS:
            characters = json_characters(response.get(key))
            if characters > MAX_STUB_BODY_CHARACTERS:
                problem = f"too large: {characters:,} characters; the maximum is {MAX_STUB_BODY_CHARACTERS:,}"
                raise ConfigError(f"{problem}: use bodyFileName", f"/response/{key}")
    if problem := json_problem(rest, MAX_JSON_DEPTH, MAX_STUB_VALUES, MAX_STUB_CHARACTERS):
        raise ConfigError(problem, "/")
