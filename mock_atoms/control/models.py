"""JSON of the control API: rules, tenants, state and errors. The OpenAPI document is made of these types."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from mock_atoms.contract.campaigns import CampaignDetail, CampaignEvent, CampaignMetrics, CampaignReport, CampaignStatus
from mock_atoms.contract.schemas import Audience, Member
from mock_atoms.control.errors import MAX_LISTED_ERRORS
from mock_atoms.control.mapping_models import StubBody
from mock_atoms.data.fixture_files import GenerateOptions
from mock_atoms.data.models import MAX_CAMPAIGNS, AudienceRecord, CampaignRecord
from mock_atoms.faults.effects import Delay, FaultResponse
from mock_atoms.faults.response_patch import ResponsePatch
from mock_atoms.faults.rules import RuleSchedule
from mock_atoms.wiremock.models import Count

MaskedToken = Annotated[str, Field(description="The masked token; `-` for unauthenticated requests.")]
TokenDigest = Annotated[str, Field(description="Digest that identifies the token.")]
TestId = Annotated[str | None, Field(description="`X-Test-Id` of the test, if there is one.")]
_strict = with_config(ConfigDict(extra="forbid"))


@_strict
class Empty(TypedDict):
    """An empty object: the request succeeded."""


@_strict
class ErrorSource(TypedDict):
    """Where the error is."""

    pointer: Annotated[str, Field(description="JSON pointer to the field, or name of the query parameter; or empty.")]


@_strict
class ErrorDetail(TypedDict):
    """What is wrong."""

    code: Annotated[int, Field(description="WireMock's number of the error, which its clients expect.")]
    title: Annotated[str, Field(description="What is wrong in a few words.")]
    detail: Annotated[str, Field(description="What is wrong with which value, and how to fix it.")]
    source: ErrorSource


@_strict
class ErrorResponse(TypedDict):
    """The shape of every error."""

    errors: Annotated[list[ErrorDetail], Field(min_length=1, max_length=MAX_LISTED_ERRORS + 1)]


@_strict
class Health(TypedDict):
    """Health of the server."""

    status: Literal["healthy"]
    message: str
    version: Annotated[str, Field(description="Version of mock-atoms.")]
    uptimeInSeconds: Count
    timestamp: Annotated[str, Field(description="Time of the server's wall clock.")]


@_strict
class ActiveSetting(TypedDict):
    """A setting of the server."""

    name: str
    flag: Annotated[str, Field(description="Such as `--base-path`.")]
    variable: Annotated[str, Field(description="Such as `MOCK_ATOMS_BASE_PATH`.")]
    group: str
    help: str
    value: Annotated[Any, Field(description="Tokens are masked; another secret that is set is `…`.")]
    isDefault: bool


@_strict
class FileReload(TypedDict):
    """A reload of fixtures and stubs."""

    at: Annotated[str, Field(description="Its time.")]
    error: Annotated[str | None, Field(description="Why the previous files are still in use; null if they are not.")]


@_strict
class ServerSettings(TypedDict):
    """The active settings."""

    version: Annotated[str, Field(description="Version of mock-atoms.")]
    settings: list[ActiveSetting]
    lastReload: Annotated[
        FileReload | None, Field(description="The last reload of fixtures and stubs; null if there was none.")
    ]


@_strict
class FaultMatch(TypedDict):
    """Which requests a rule matches. An absent field matches all."""

    token: NotRequired[Annotated[str, Field(description="Only this token. It is stored masked.")]]
    tokenDigest: NotRequired[Annotated[str, Field(description="Digest of the token; needed with a masked token.")]]
    testId: NotRequired[Annotated[str, Field(description="Only this `X-Test-Id`.")]]
    testIdDigest: NotRequired[Annotated[str, Field(description="Digest of the test id; needed with a masked one.")]]
    method: NotRequired[Annotated[str, Field(description="Only this HTTP method, in any case.")]]
    path: NotRequired[Annotated[str, Field(description="Only this path below the base path: `/audience/{id}`.")]]


@_strict
class FaultRule(TypedDict):
    """A complete fault rule: which requests it matches, when it triggers, and its effect."""

    name: NotRequired[Annotated[str, Field(max_length=200, description="A readable name.")]]
    match: NotRequired[FaultMatch]
    when: NotRequired[RuleSchedule]
    delay: NotRequired[Delay]
    respond: NotRequired[FaultResponse]
    alter: NotRequired[ResponsePatch]
    connection: NotRequired[Annotated[str, Field(description="Such as `reset` or `hang30000`.")]]


@_strict
class FaultExpression(TypedDict):
    """A fault rule whose effect is an expression."""

    name: NotRequired[Annotated[str, Field(max_length=200, description="A readable name.")]]
    match: NotRequired[FaultMatch]
    fault: Annotated[str, Field(description="An expression such as `delay250+500x2`.")]


FaultRuleBody = (
    FaultExpression
    | FaultRule
    | Annotated[str, Field(description="A rule as `--fault` takes it, such as `GET /audience 429x1`.")]
)


@_strict
class ActiveFaultRule(FaultRule):
    """A rule with its counts."""

    id: Annotated[str, Field(description="Derived from the rule, so that it is the same in each run.")]
    evaluated: Annotated[Count, Field(description="How many requests the rule was evaluated for.")]
    triggered: Annotated[Count, Field(description="How many requests it changed.")]


@_strict
class FaultRuleList(TypedDict):
    """All active rules, in order of precedence."""

    faults: list[ActiveFaultRule]


@_strict
class TenantSummary(TypedDict):
    """A tenant that has sent requests or has data set by a test."""

    token: MaskedToken
    tokenDigest: TokenDigest
    testId: TestId
    requests: Annotated[Count, Field(description="How many requests it has sent.")]


@_strict
class TenantList(TypedDict):
    """The known tenants."""

    tenants: list[TenantSummary]


@_strict
class TenantBody(TypedDict):
    """A tenant and its data: either `audiences` or `generate`."""

    token: Annotated[str, Field(description="The token of the tenant.")]
    testId: NotRequired[Annotated[str, Field(description="Only for this test.")]]
    organization: NotRequired[Annotated[str, Field(description="Id of the tenant's organization.")]]
    audiences: NotRequired[Annotated[list[AudienceRecord], Field(max_length=10_000, description="The audiences.")]]
    generate: NotRequired[Annotated[GenerateOptions, Field(description="Settings of the generator.")]]


@_strict
class CampaignsBody(TypedDict):
    """All campaigns that use an audience of a tenant."""

    token: Annotated[str, Field(description="The token of the tenant.")]
    testId: NotRequired[Annotated[str, Field(description="Only for this test.")]]
    campaigns: Annotated[list[CampaignRecord], Field(max_length=MAX_CAMPAIGNS)]


@_strict
class CampaignBody(TypedDict):
    """The next status of a campaign of a tenant."""

    token: Annotated[str, Field(description="The token of the tenant.")]
    testId: NotRequired[Annotated[str, Field(description="Only for this test.")]]
    status: Annotated[CampaignStatus, Field(description="The new status. Its own changes nothing.")]
    error: NotRequired[Annotated[str, Field(description="Why the campaign fails; only with `failed`.")]]
    scheduledAt: NotRequired[Annotated[str, Field(description="When the campaign starts; only with `scheduled`.")]]


@_strict
class TenantCampaigns(TypedDict):
    """The campaigns of a tenant, as the API returns them."""

    token: MaskedToken
    tokenDigest: TokenDigest
    testId: TestId
    campaigns: list[CampaignReport]


@_strict
class TenantCampaign(TypedDict):
    """One campaign of a tenant, as the API returns it."""

    token: MaskedToken
    tokenDigest: TokenDigest
    testId: TestId
    campaign: CampaignDetail
    events: list[CampaignEvent]
    metrics: CampaignMetrics


@_strict
class TenantAudiences(TypedDict):
    """The audiences of a tenant, as the API lists them."""

    token: MaskedToken
    tokenDigest: TokenDigest
    testId: TestId
    audiences: list[Audience]


@_strict
class TenantAudience(TypedDict):
    """One audience of a tenant, as the API lists it."""

    token: MaskedToken
    tokenDigest: TokenDigest
    testId: TestId
    audience: Audience


@_strict
class AudienceMembers(TypedDict):
    """One page of the members of an audience."""

    members: list[Member]
    totalCount: Count
    totalPages: Count
    hasMore: bool


@_strict
class RuleCounts(TypedDict):
    """How often a rule was evaluated and triggered for one tenant."""

    evaluated: Count
    triggered: Count
    windowStart: NotRequired[Annotated[float, Field(ge=0, description="When the window of a rate limit began.")]]
    windowUsed: NotRequired[Annotated[Count, Field(description="How many requests the window had.")]]


@_strict
class AudienceChange(TypedDict):
    """What a tenant changed in one audience."""

    audience: Annotated[str, Field(description="Id of the audience.")]
    phoneNumberColumnName: str
    created: NotRequired[Annotated[dict[str, Any], Field(description="The audience, if the tenant created it.")]]
    removed: NotRequired[Annotated[list[int], Field(description="Indexes of deleted members of the initial data.")]]
    added: NotRequired[list[Member]]
    campaigns: NotRequired[list[CampaignRecord]]
    updatedAt: NotRequired[str]


@_strict
class AgentChange(TypedDict):
    """What a tenant changed in one agent."""

    agent: Annotated[str, Field(description="Id of the agent.")]
    created: NotRequired[Annotated[dict[str, Any], Field(description="The agent, if the tenant created it.")]]
    archived: NotRequired[Annotated[bool, Field(description="Whether it is archived.")]]


@_strict
class TenantChanges(TypedDict):
    """What a tenant changed."""

    ids: NotRequired[Annotated[Count, Field(description="How many ids it has used.")]]
    deleted: NotRequired[Annotated[list[str], Field(description="Ids of deleted audiences.")]]
    audiences: NotRequired[list[AudienceChange]]
    agents: NotRequired[list[AgentChange]]
    campaigns: NotRequired[Annotated[list[CampaignRecord], Field(description="Created and changed campaigns.")]]
    deletedCampaigns: NotRequired[Annotated[list[str], Field(description="Ids of deleted campaigns.")]]


@_strict
class FixtureState(TypedDict):
    """Initial data of a token, from a fixture file."""

    token: MaskedToken
    tokenDigest: TokenDigest
    organization: NotRequired[str]
    audiences: list[AudienceRecord]


@_strict
class TenantState(TypedDict):
    """Everything that belongs to a tenant."""

    token: MaskedToken
    tokenDigest: TokenDigest
    testId: NotRequired[TestId]
    testIdDigest: NotRequired[str]
    requests: NotRequired[Count]
    counters: NotRequired[Annotated[dict[str, RuleCounts], Field(description="Counts by id of the rule.")]]
    scenarios: NotRequired[Annotated[dict[str, str], Field(description="States of scenarios that it has moved.")]]
    organization: NotRequired[str]
    audiences: NotRequired[list[AudienceRecord]]
    changes: NotRequired[TenantChanges]


@_strict
class RuleState(FaultRule):
    """A rule of a state."""

    id: str
    atStart: NotRequired[Annotated[bool, Field(description="Whether it comes from the server's settings.")]]
    evaluated: NotRequired[Count]
    triggered: NotRequired[Count]


@_strict
class StubState(StubBody):
    """A stub of a state."""

    fileBody: NotRequired[Annotated[str, Field(description="The file in `bodyFileName`, in Base64.")]]  # noqa: N815 - JSON's own spelling


@_strict
class ScenarioState(TypedDict):
    """A scenario that is not in its first state for all tenants."""

    name: str
    state: str


@_strict
class State(TypedDict):
    """The state of a server, without its request journal."""

    version: Annotated[str, Field(description="Version of the mock-atoms that exported it.")]
    seed: str
    locale: str
    rules: list[RuleState]
    fixtures: list[FixtureState]
    tenants: list[TenantState]
    stubs: NotRequired[list[StubState]]
    scenarios: NotRequired[list[ScenarioState]]
