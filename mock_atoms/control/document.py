"""The OpenAPI document of the control API."""

import re
import warnings
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, getdoc
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Query
from fastapi.openapi.models import Example
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from pydantic.warnings import UnsupportedFieldAttributeWarning

from mock_atoms.control.access import HEALTH_PATH
from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.models import ErrorResponse
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.version import __version__

_DESCRIPTION = """\
Controls a running mock: inject faults, set data, and check what clients sent.

Calls are never faulted and never appear in the request journal. Bodies are JSON with `Content-Type: application/json`.
Unknown fields and query parameters are errors. Every error has the same shape, with a JSON pointer to the wrong field.

The mocked API has a [separate document](../docs).
"""
_TOKEN = "AdminToken"  # noqa: S105 - the name of the security scheme
_COMMON_ERRORS = {
    401: "the admin token is missing or wrong",
    403: "the control API is closed, or the page is of another origin",
    422: "the body or a parameter cannot be used",
}
_BODY_ERRORS = {413: "the body is too long", 415: "the content type is not JSON, or the encoding is unknown"}


def describe(groups: Sequence[EndpointGroup]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `groups`."""
    app = FastAPI()
    for group in groups:
        for endpoint in group.endpoints:
            _add(app, group, endpoint)
    with warnings.catch_warnings():
        # FastAPI hides it while it prepares a field. Our models defer that until the schemas are generated.
        warnings.simplefilter("ignore", UnsupportedFieldAttributeWarning)
        document = get_openapi(
            title="mock-atoms control API",
            version=__version__,
            summary="Controls a running mock of the Atoms audience API.",
            description=_DESCRIPTION,
            routes=app.routes,
            tags=[{"name": group.name, "description": group.description} for group in groups],
            servers=[{"url": "/", "description": f"This mock, mock-atoms {__version__}"}],
            # One schema for both directions: rules and states can be sent as they were returned.
            separate_input_output_schemas=False,
        )
    scheme = {"type": "http", "scheme": "bearer", "description": "The token of `--admin-token`, if the server has one."}
    document["components"]["securitySchemes"] = {_TOKEN: scheme}
    document["security"] = [{_TOKEN: []}, {}]
    document["paths"][HEALTH_PATH]["get"]["security"] = []
    return document


def _add(app: FastAPI, group: EndpointGroup, endpoint: Endpoint) -> None:
    """Add a route that is described like `endpoint`. It is never called."""
    errors = dict(endpoint.errors)
    if CONTROL_PREFIX + endpoint.path != HEALTH_PATH:
        errors |= _COMMON_ERRORS
    if endpoint.body is not None:
        errors |= _BODY_ERRORS
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": description, "model": ErrorResponse} for status, description in sorted(errors.items())
    }
    is_text = endpoint.response is str
    if is_text or endpoint.has_text_format:
        responses[endpoint.status] = {"content": {endpoint.text: {"schema": {"type": "string"}}}}
    app.add_api_route(
        CONTROL_PREFIX + endpoint.path,
        _described(endpoint),
        methods=[endpoint.method],
        tags=[group.name],
        operation_id=re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        summary=endpoint.summary,
        description=getdoc(endpoint.handler) or "",
        status_code=endpoint.status,
        response_model=None if is_text else endpoint.response,
        response_class=Response if is_text else JSONResponse,
        response_description="success",
        responses=responses,
    )


def _described(endpoint: Endpoint) -> Callable[[], None]:
    """Return a function whose signature gives FastAPI the parameters and the body of `endpoint`."""
    names = re.findall(r"\{(\w+)\}", endpoint.path)
    parameters = [_parameter(name, Annotated[str, Path(description="The id, as the list has it.")]) for name in names]
    if endpoint.query is not None and endpoint.query.model_fields:
        parameters.append(_parameter("query", Annotated[endpoint.query, Query()]))
    if endpoint.body is not None:
        example = {"example": Example(value=endpoint.body.example)}
        body: Any = Annotated[endpoint.body.model, Body(openapi_examples=example)]
        parameters.append(_parameter("body", body, Parameter.empty if endpoint.body.is_required else None))

    def described() -> None: ...

    described.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # what inspect.signature looks for
    return described


def _parameter(name: str, annotation: object, default: object = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
