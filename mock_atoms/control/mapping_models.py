"""JSON of the control API: WireMock's stubs and scenarios."""

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from mock_atoms.control.journal_models import ListMeta, RequestPatternBody
from mock_atoms.wiremock.models import Milliseconds
from mock_atoms.wiremock.stub_response import DelayDistribution, Dribble, StubFault

Text = Annotated[str, Field(min_length=1)]
_strict = with_config(ConfigDict(extra="forbid"))


@_strict
class StubResponseBody(TypedDict):
    """The response of a stub."""

    status: NotRequired[Annotated[int, Field(ge=200, le=599)]]
    statusMessage: NotRequired[Annotated[str, Field(description="Reason phrase behind the status code.")]]
    headers: NotRequired[Annotated[dict[str, str | list[str]], Field(description="A list for several values.")]]
    body: NotRequired[str]
    jsonBody: NotRequired[Any]
    base64Body: NotRequired[str]
    bodyFileName: NotRequired[Annotated[str, Field(description="Name of a file in `__files/` of `--stubs`.")]]
    fixedDelayMilliseconds: NotRequired[Milliseconds]
    delayDistribution: NotRequired[DelayDistribution]
    chunkedDribbleDelay: NotRequired[Dribble]
    fault: NotRequired[StubFault]


@_strict
class StubBody(TypedDict):
    """WireMock's stub mapping."""

    id: NotRequired[Annotated[str, Field(description="A UUID; generated if absent.")]]
    uuid: NotRequired[Annotated[str, Field(description="The same as `id`.")]]
    name: NotRequired[str]
    request: NotRequired[RequestPatternBody]
    response: NotRequired[StubResponseBody]
    priority: NotRequired[Annotated[int, Field(description="Lower numbers come first; 5 by default.")]]
    scenarioName: NotRequired[Text]
    requiredScenarioState: NotRequired[Text]
    newScenarioState: NotRequired[Text]
    persistent: NotRequired[Annotated[bool, Field(description="Whether resets keep it.")]]
    metadata: NotRequired[dict[str, Any]]


@_strict
class StubList(TypedDict):
    """Stubs in order of precedence."""

    mappings: list[StubBody]
    meta: ListMeta


@_strict
class ImportOptions(TypedDict):
    """How to import stubs."""

    duplicatePolicy: NotRequired[
        Annotated[str, Field(pattern="^(OVERWRITE|IGNORE)$", description="What to do with known ids.")]
    ]
    deleteAllNotInImport: NotRequired[Annotated[bool, Field(description="Whether to delete all other stubs.")]]


@_strict
class StubImport(TypedDict):
    """Stubs to import."""

    mappings: list[StubBody]
    importOptions: NotRequired[ImportOptions]
    meta: NotRequired[Annotated[Any, Field(description="Ignored: lists and exports of stubs have it.")]]


@_strict
class ScenarioJson(TypedDict):
    """A scenario."""

    id: str
    name: str
    state: str
    possibleStates: list[str]
    mappings: list[StubBody]


@_strict
class ScenarioList(TypedDict):
    """All scenarios, sorted by name."""

    scenarios: list[ScenarioJson]


@_strict
class ScenarioStateBody(TypedDict):
    """The state to set; `Started` if there is none."""

    state: NotRequired[Text]
