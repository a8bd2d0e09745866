"""Campaigns of a tenant, and the steps of their lives."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.contract.campaigns import CampaignStatus
from mock_atoms.contract.errors import ApiError
from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.errors import RequestError, invalid_parameter
from mock_atoms.control.long_work import long_json
from mock_atoms.control.models import CampaignBody, TenantCampaign, TenantCampaigns
from mock_atoms.control.parsing import TenantQuery
from mock_atoms.control.tenant_data import tenant_json
from mock_atoms.control.tenants import read_caller
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.tenancy import caller_for
from mock_atoms.core.timestamps import parse_timestamp
from mock_atoms.mock import MockAtoms
from mock_atoms.state.campaigns import MAX_ERROR_CHARACTERS, CampaignRepository


class _Step(StrictModel):
    status: CampaignStatus
    error: Annotated[str, Field(min_length=1, max_length=MAX_ERROR_CHARACTERS)] | None = None
    scheduledAt: str | None = None  # noqa: N815 - spelled like the API's keys


_STATUS_OF_FIELD: dict[str, CampaignStatus] = {"error": "failed", "scheduledAt": "scheduled"}
"""The only status with which a field has an effect."""


class CampaignEndpoints:
    """Endpoints about campaigns."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        step = RequestBody(CampaignBody, {"token": "sk_acme", "status": "running"})
        return EndpointGroup(
            "Campaigns",
            "The campaigns of a tenant, and the steps of their lives.",
            (
                Endpoint(
                    "GET",
                    "/campaigns",
                    self.list_campaigns,
                    "List the campaigns of a tenant",
                    TenantCampaigns,
                    query=TenantQuery,
                ),
                Endpoint(
                    "PUT",
                    "/campaigns/{id}",
                    self.advance,
                    "Change the status of a campaign",
                    TenantCampaign,
                    body=step,
                    errors={
                        400: "the campaign id is malformed, or the tenant has too much data",
                        404: "the tenant has no such campaign",
                        409: "the campaign cannot reach the status",
                    },
                ),
            ),
        )

    async def list_campaigns(self, request: Request) -> Response:
        """Return the campaigns of the tenant with this `token`, which is required, with events and metrics."""
        query = TenantQuery.parse(request)
        if query.token is None:
            raise invalid_parameter("token", "the token is missing: give the token of the tenant")
        caller = caller_for(query.token, query.test_id)
        reports = await self._mock.repositories.read(caller, lambda data: CampaignRepository(data).reports())
        return long_json(self._mock, {**tenant_json(caller.tenant), "campaigns": reports})

    async def advance(self, request: Request) -> Response:
        """Give a campaign a status that it can reach from its own, such as `running` or `completed`.

        `error` says why it is `failed`; `scheduledAt` when a `scheduled` one starts.
        With any other status, they are errors.
        """
        caller, fields = await read_caller(self._mock, request)
        step = parse_model(_Step, fields, keys=("token", "testId", *_Step.model_fields))
        campaign_id = request.path_params["id"]
        for name, status in _STATUS_OF_FIELD.items():
            if getattr(step, name) is not None and step.status != status:
                problem = f"has no effect with the status {step.status}: leave it out, or set the status {status}"
                raise ConfigError(problem, f"/{name}")
        if step.scheduledAt is not None:
            try:
                parse_timestamp(step.scheduledAt)
            except ValueError as error:
                raise ConfigError(str(error), "/scheduledAt") from None
        try:
            report = await self._mock.repositories.update(
                caller,
                lambda data: CampaignRepository(data).advance(
                    campaign_id, step.status, scheduled_at=step.scheduledAt, error=step.error
                ),
            )
        except ApiError as error:
            titles = {HTTPStatus.NOT_FOUND: "unknown campaign", HTTPStatus.CONFLICT: "unreachable status"}
            title = "no room" if error.reason else titles.get(HTTPStatus(error.status), "invalid id")
            raise RequestError(error.status, title, f"{campaign_id}: {' '.join(error.errors or [])}") from None
        return JSONResponse({**tenant_json(caller.tenant), **report})
