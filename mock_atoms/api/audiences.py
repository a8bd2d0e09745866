"""The vendor's operations on audiences: list, create from a CSV file, get, delete."""

from fastapi import Request, Response

from mock_atoms.api.csv_file import parse_csv
from mock_atoms.api.router import (
    AUDIENCE_ID,
    BAD_REQUEST,
    NOT_FOUND,
    CurrentCaller,
    VendorRouter,
    audience_id_of,
    success,
)
from mock_atoms.api.uploads import read_upload
from mock_atoms.contract.errors import ApiError
from mock_atoms.contract.operations import CREATE_AUDIENCE, DELETE_AUDIENCE, GET_AUDIENCE, LIST_AUDIENCES
from mock_atoms.contract.schemas import Audience, AudienceDetail, CreatedAudience, EmptyList
from mock_atoms.state.audiences import AudienceRepositories, AudienceRepository

_AUTHORIZATION_PARAMETER = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`Bearer` and an API key; on this page, give the key to Authorize. A session cookie does as well.",
    "example": "Bearer sk_acme",
    "schema": {"type": "string"},
}
"""S documents the header as a parameter of the operation, beside the security scheme."""
_UPLOAD = {
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
                        "description": "Column of the file that holds the phone numbers",
                        "example": "phoneNumber",
                    },
                    "identifierColumnName": {
                        "type": "string",
                        "description": "Column of the file that tells members apart, such as their names",
                        "example": "name",
                    },
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "CSV file in UTF-8, 5 MB and 10,000 rows at most",
                        "example": "customers.csv",
                    },
                },
            }
        }
    },
}


def audience_routes(repositories: AudienceRepositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that serve and change the audiences in `repositories`."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        LIST_AUDIENCES,
        summary="Get all audiences",
        description="All audiences that the caller created, in one answer: there is no paging.",
        success="All audiences of the caller",
        data=list[Audience],
        errors={},
        more={"parameters": [_AUTHORIZATION_PARAMETER]},
    )
    async def list_audiences(caller: CurrentCaller) -> Response:
        return success(await repositories.read(caller, AudienceRepository.list_audiences))

    @routes.operation(
        CREATE_AUDIENCE,
        summary="Create audience with CSV upload",
        description="Create an audience whose members are the rows of a CSV file.",
        success="The new audience",
        data=CreatedAudience,
        errors={400: BAD_REQUEST},
        more={"requestBody": _UPLOAD},
    )
    async def create_audience(request: Request, caller: CurrentCaller) -> Response:
        upload = await read_upload(request)
        with upload.file:
            fields = _described(upload.fields)
            column = fields["phoneNumberColumnName"]
            rows = parse_csv(upload.file, column, fields.get("identifierColumnName"))
        return success(await repositories.update(caller, lambda repository: repository.create_audience(fields, rows)))

    @routes.operation(
        GET_AUDIENCE,
        summary="Get audience by ID",
        description="One audience. That of another organisation is a 404, as one that does not exist.",
        success="The audience",
        data=AudienceDetail,
        errors={400: BAD_REQUEST, 404: NOT_FOUND},
        more={"parameters": [AUDIENCE_ID]},
    )
    async def get_audience(request: Request, caller: CurrentCaller) -> Response:
        audience_id = audience_id_of(request)
        return success(await repositories.read(caller, lambda repository: repository.get_audience(audience_id)))

    @routes.operation(
        DELETE_AUDIENCE,
        summary="Delete audience",
        description="Delete one audience and its members. While an active campaign uses it, that is a 400.",
        success="It is deleted; the list is always empty",
        data=EmptyList,
        errors={400: BAD_REQUEST, 404: NOT_FOUND},
        more={"parameters": [AUDIENCE_ID]},
    )
    async def delete_audience(request: Request, caller: CurrentCaller) -> Response:
        audience_id = audience_id_of(request)
        await repositories.update(caller, lambda repository: repository.delete_audience(audience_id))
        return success([])

    return routes


def _described(fields: dict[str, str]) -> CreatedAudience:
    """Return what the form of an upload says of the audience.

    Raises:
        ApiError: 400, it leaves out what is required (A: the messages).
    """
    missing = [name for name in ("name", "phoneNumberColumnName") if not fields.get(name, "").strip()]
    if missing:
        raise ApiError(400, *(f"{name} is required" for name in missing))
    described: CreatedAudience = {"name": fields["name"]}
    if "description" in fields:
        described["description"] = fields["description"]
    described["phoneNumberColumnName"] = fields["phoneNumberColumnName"]
    if fields.get("identifierColumnName"):
        described["identifierColumnName"] = fields["identifierColumnName"]
    return described
