"""Tenants and their data."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.contract.errors import ApiError
from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.long_work import long_json
from mock_atoms.control.models import CampaignsBody, TenantAudience, TenantAudiences, TenantBody, TenantList
from mock_atoms.control.parsing import parse_tenant_filter, read_json_body
from mock_atoms.control.tenant_data import audience_error, tenant_json
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.tenancy import AuthenticatedCaller, caller_for
from mock_atoms.data.fixture_files import parse_fixture
from mock_atoms.data.models import ValidatedCampaigns, api_fields
from mock_atoms.mock import MockAtoms
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.operations import SetInitialData
from mock_atoms.state.snapshot import tenant_summary
from mock_atoms.state.tenant_data import MAX_TENANT_BYTES

MAX_SET_AUDIENCES = 10_000
"""How many audiences one request can set."""


class _Campaigns(StrictModel):
    campaigns: ValidatedCampaigns


class TenantEndpoints:
    """Endpoints about tenants."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        data = RequestBody(TenantBody, {"token": "sk_acme", "audiences": [{"name": "Spring Sale Audience"}]})
        campaigns = RequestBody(CampaignsBody, {"token": "sk_acme", "campaigns": [{"name": "Spring Sale"}]})
        unknown = {400: "the audience id is malformed", 404: "the tenant has no such audience"}
        return EndpointGroup(
            "Tenants",
            "The data that each token, or each test of a token, has.",
            (
                Endpoint("GET", "/tenants", self.list_tenants, "List the tenants", TenantList),
                Endpoint(
                    "PUT",
                    "/tenants",
                    self.set_data,
                    "Set a tenant's data",
                    TenantAudiences,
                    body=data,
                    errors={409: "the data is too large"},
                ),
                Endpoint(
                    "PUT",
                    "/audiences/{id}/campaigns",
                    self.set_campaigns,
                    "Set the campaigns of an audience",
                    TenantAudience,
                    body=campaigns,
                    errors=unknown | {409: "a campaign is one of another audience"},
                ),
            ),
        )

    async def list_tenants(self, _request: Request) -> Response:
        """Return the known tenants, the least recently used first. Tokens are masked."""
        states = await self._mock.store.tenants()
        return long_json(self._mock, {"tenants": (tenant_summary(state) for state in states)}, kept=states)

    async def set_data(self, request: Request) -> Response:
        """Replace the data of one tenant by `audiences`, or by what `generate` describes, as in a fixture file.

        Changes that clients have made are lost. With `testId`, only that test gets the data.
        """
        caller, fields = await read_caller(self._mock, request)
        if "tokens" in fields:
            raise ConfigError("unknown key. Did you mean `token`?", "/tokens")
        if isinstance(fields.get("audiences"), list) and len(fields["audiences"]) > MAX_SET_AUDIENCES:
            raise ConfigError(f"{len(fields['audiences'])} audiences: at most {MAX_SET_AUDIENCES}", "/audiences")
        fixtures = self._mock.fixtures
        organization = (await self._mock.slices.run_promptly(fixtures.initial_data_steps(caller))).organization
        default = {} if organization is None else {"organization": organization}
        slices = self._mock.slices
        file = await slices.run_promptly(parse_fixture({**default, **fields, "tokens": [caller.token]}))
        initial_data = await slices.run_promptly(
            fixtures.from_fixture_file(file, caller.token, self._mock.creation_time())
        )
        if await slices.run_promptly(initial_data.measure()) > MAX_TENANT_BYTES:
            raise ConfigError(f"more than {MAX_TENANT_BYTES} bytes of memory: send fewer or smaller ones", "/audiences")
        await self._mock.store.commit(caller.tenant, SetInitialData(initial_data))
        active = self._mock.settings.active_campaigns
        audiences = (api_fields(audience, active) for audience in initial_data.audiences)
        return long_json(self._mock, {**tenant_json(caller.tenant), "audiences": audiences})

    async def set_campaigns(self, request: Request) -> Response:
        """Set all campaigns that use one audience of one tenant, up to 100. The others of this audience are lost."""
        caller, fields = await read_caller(self._mock, request)
        campaigns = parse_model(_Campaigns, fields, keys=("token", "testId", "campaigns")).campaigns
        audience_id = request.path_params["id"]
        for number, campaign in enumerate(campaigns):
            if campaign.get("audienceId", audience_id.lower()) != audience_id.lower():
                problem = f"is {quote_value(campaign['audienceId'])}, but the audience is {quote_value(audience_id)}"
                raise ConfigError(f"{problem}: leave audienceId out", f"/campaigns/{number}/audienceId")
        try:
            audience = await self._mock.repositories.update(
                caller, lambda data: AudienceRepository(data).set_campaigns(audience_id, campaigns)
            )
        except ApiError as error:
            raise audience_error(audience_id, error) from None
        return JSONResponse({**tenant_json(caller.tenant), "audience": audience})


async def read_caller(mock: MockAtoms, request: Request) -> tuple[AuthenticatedCaller, dict[str, Any]]:
    """Return the caller that a body names, and the other fields of the body."""
    body = await read_json_body(request)
    fields = dict(body) if isinstance(body, dict) else {}
    named = parse_tenant_filter({name: fields.pop(name) for name in ("token", "testId") if name in fields})
    if named.token is None:
        raise ConfigError("the token is missing: give the token of the tenant", "/token")
    allowed = mock.settings.tokens
    if allowed is not None and named.token not in allowed:
        raise ConfigError("the token is not in --tokens, so that its requests always get a 401", "/token")
    return caller_for(named.token, named.test_id), fields
