"""The vendor's operations on audiences: list, create from a CSV file, get, delete."""

from fastapi import Request, Response

from mock_atoms.api.router import (
    AUDIENCE_ID,
    BAD_REQUEST,
    COMMON_ERRORS,
    NOT_FOUND,
    CurrentCaller,
    VendorRouter,
    resource_id_of,
    success,
    success_in_steps,
)
from mock_atoms.api.uploads import read_upload
from mock_atoms.contract.errors import bad_request
from mock_atoms.contract.operations import CREATE_AUDIENCE, DELETE_AUDIENCE, GET_AUDIENCE, LIST_AUDIENCES
from mock_atoms.contract.schemas import Audience, AudienceDetail, CreatedAudience, EmptyList
from mock_atoms.data.csv_file import parse_csv_steps
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.repositories import Repositories

_AUTHORIZATION_PARAMETER = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`Bearer` and an API key. On this page, enter the key under Authorize. A session cookie works too.",
    "example": "Bearer sk_acme",
    "schema": {"type": "string"},
}
"""S documents the header as a parameter of the operation, in addition to the security scheme."""
_UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["name", "phoneNumberColumnName", "file"],
                "properties": {
                    "name": {"type": "string", "description": "Name of the audience", "example": "Spring sale"},
                    "description": {"type": "string", "description": "What it is for", "example": "Asked to be called"},
                    "phoneNumberColumnName": {
                        "type": "string",
                        "description": "Column of the file with the phone numbers",
                        "example": "phoneNumber",
                    },
                    "identifierColumnName": {
                        "type": "string",
                        "description": "Column of the file that identifies members, such as their names",
                        "example": "name",
                    },
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "CSV file in UTF-8, at most 5 MB and 10,000 rows",
                        "example": "customers.csv",
                    },
                },
            }
        }
    },
}


def audience_routes(repositories: Repositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that serve and change the audiences in `repositories`."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        LIST_AUDIENCES,
        summary="Get all audiences",
        description="Get all audiences of the caller in one response, without paging.",
        response_description="All audiences of the caller",
        data=list[Audience],
        errors=COMMON_ERRORS,
        openapi_extra={"parameters": [_AUTHORIZATION_PARAMETER]},
    )
    async def list_audiences(_request: Request, caller: CurrentCaller) -> Response:
        audiences = await repositories.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())
        return await success_in_steps(audiences, repositories.slices)

    @routes.operation(
        CREATE_AUDIENCE,
        summary="Create audience with CSV upload",
        description="Create an audience from a CSV file; each row becomes a member.",
        response_description="The new audience",
        data=CreatedAudience,
        errors=COMMON_ERRORS | {400: BAD_REQUEST},
        openapi_extra={"requestBody": _UPLOAD_BODY},
    )
    async def create_audience(request: Request, caller: CurrentCaller) -> Response:
        upload = await read_upload(request, repositories.slices)
        with upload.file:
            fields = _parse_fields(upload.fields)
            column = fields["phoneNumberColumnName"]
            rows = await repositories.slices.run_promptly(
                parse_csv_steps(upload.file, column, fields.get("identifierColumnName"))
            )
        return success(
            await repositories.update(caller, lambda data: AudienceRepository(data).create_audience(fields, rows))
        )

    @routes.operation(
        GET_AUDIENCE,
        summary="Get audience by ID",
        description="Get one audience. An audience of another organisation gets a 404, like one that does not exist.",
        response_description="The audience",
        data=AudienceDetail,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: NOT_FOUND},
        openapi_extra={"parameters": [AUDIENCE_ID]},
    )
    async def get_audience(request: Request, caller: CurrentCaller) -> Response:
        audience_id = resource_id_of(request)
        return success(await repositories.read(caller, lambda data: AudienceRepository(data).get_audience(audience_id)))

    @routes.operation(
        DELETE_AUDIENCE,
        summary="Delete audience",
        description="Delete one audience and its members. An audience in use by an active campaign gets a 400.",
        response_description="The audience is deleted; the list is always empty",
        data=EmptyList,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: NOT_FOUND},
        openapi_extra={"parameters": [AUDIENCE_ID]},
    )
    async def delete_audience(request: Request, caller: CurrentCaller) -> Response:
        audience_id = resource_id_of(request)
        await repositories.update(caller, lambda data: AudienceRepository(data).delete_audience(audience_id))
        return success([])

    return routes


def _parse_fields(form: dict[str, str]) -> CreatedAudience:
    """Return the keys of the new audience that the form of an upload sets.

    Raises:
        ApiError: 400, a required field is missing or blank (A: the messages).
    """
    missing = [name for name in ("name", "phoneNumberColumnName") if not form.get(name, "").strip()]
    if missing:
        raise bad_request(*(f"{name} is required" for name in missing))
    fields: CreatedAudience = {"name": form["name"]}
    if "description" in form:
        fields["description"] = form["description"]
    fields["phoneNumberColumnName"] = form["phoneNumberColumnName"]
    if form.get("identifierColumnName"):
        fields["identifierColumnName"] = form["identifierColumnName"]
    return fields
