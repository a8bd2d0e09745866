"""Endpoints of the control API, as data: `app` makes routes of them, `document` describes them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mock_atoms.control.parsing import Query


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The type of an endpoint's JSON body, with a valid example."""

    model: Any
    example: object
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. The docstring of its handler is its description.

    Attributes:
        method: HTTP method.
        route: path below the prefix, as Starlette reads it. `{name:path}` may contain slashes.
        handler: returns the response, or raises `RequestError` or `ConfigError`.
        summary: the endpoint in a few words.
        response: type of the JSON response; `str` for plain text.
        status: status code of a success.
        query: query parameters, which the handler parses. There are none by default; `None` ignores all.
        body: the request body, if there is one.
        errors: description of each error besides 401, 403 and 422, by status code.
        has_text_format: whether a query parameter selects plain text instead of JSON.
        text: content type of a response that is text.
    """

    method: str
    route: str
    handler: Callable[[Request], Awaitable[Response]]
    summary: str
    response: Any
    status: int = 200
    query: type[Query] | None = Query
    body: RequestBody | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    has_text_format: bool = False
    text: str = "text/plain"

    @property
    def path(self) -> str:
        """The path below the prefix as OpenAPI has it, such as `/scenarios/{name}/state`."""
        return self.route.replace(":path}", "}")

    async def __call__(self, request: Request) -> Response:
        """Handle a request."""
        if self.query is Query and request.scope["query_string"]:
            Query.parse(request)
        return await self.handler(request)


@dataclass(frozen=True, slots=True)
class EndpointGroup:
    """Endpoints about one thing, listed together in the document."""

    name: str
    description: str
    endpoints: tuple[Endpoint, ...]
