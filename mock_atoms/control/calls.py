"""What the calls of the control API share: reading what is sent, answering, refusing, and who may call at all."""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.core.http_text import parse_query
from mock_atoms.core.masking import mask_text
from mock_atoms.core.parsing import NOT_BLANK, ConfigError, StrictModel, parse_json, parse_model
from mock_atoms.core.settings import Settings, Token, is_loopback

PREFIX = "/__admin"
HEALTH = f"{PREFIX}/health"
MAX_BODY = 64 * 1024 * 1024
"""How many bytes may be sent to the control API at once."""
INVALID_CODE = 10
BAD_ID_CODE = 15
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".svc")
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class RequestError(Exception):
    """A call that is refused.

    Args:
        status: HTTP status.
        title: what is wrong in a few words.
        detail: what exactly, and the fix; keys in it are masked.
        pointer: JSON pointer to the field, or the name of the query parameter.
        code: WireMock's number of the error; its client for Java wants one in each.
        headers: headers of the answer.
    """

    def __init__(  # noqa: PLR0913 - all of what an error says
        self,
        status: int,
        title: str,
        detail: str,
        pointer: str = "",
        *,
        code: int = INVALID_CODE,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        shown = {"code": code, "title": title, "detail": mask_text(detail), "source": {"pointer": mask_text(pointer)}}
        self.body = {"errors": [shown]}

    def answer(self) -> Response:
        """Return it as an answer."""
        return JSONResponse(self.body, self.status, self.headers)


def unprocessable(error: ConfigError) -> RequestError:
    """Return the refusal of what is well sent, and cannot be used."""
    whole = "" if error.pointer == "/" else error.pointer
    return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "cannot be used", error.problem, whole)


async def read_json_body(request: Request, *, optional: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON that was sent, or `None` where nothing was and nothing need be.

    Raises:
        ConfigError: it is not JSON.
        RefusedError: it is too long, or not said to be JSON.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise RequestError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too long", f"at most {MAX_BODY} bytes may be sent at once"
                )
    except ClientDisconnect:
        raise RequestError(HTTPStatus.BAD_REQUEST, "cut off", "the client went before all was sent") from None
    if not body and optional:
        return None
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not said to be JSON",
            "send the header Content-Type: application/json with the body",
        )
    return parse_json(bytes(body))


class Parameters:
    """The query parameters of a call.

    Raises:
        RefusedError: one is not known, or stands twice.
    """

    def __init__(self, request: Request, *known: str) -> None:
        self._values: dict[str, str] = {}
        query: str = request.scope["query_string"].decode("latin-1")
        for name, values in parse_query(query).items():
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "this call has none"
                raise self.wrong(name, f"no such parameter; {there_are}")
            if len(values) > 1:
                raise self.wrong(name, "it stands twice")
            self._values[name] = values[0]

    def text(self, name: str) -> str | None:
        """Return a parameter, `None` where it is not there."""
        return self._values.get(name)

    def number(self, name: str, most: int, default: int) -> int:
        """Return a whole number from 0 to `most`, `default` where it is not there."""
        text = self._values.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > most:
            raise self.wrong(name, f"give a whole number from 0 to {most}")
        return int(text)

    def choice(self, name: str, *allowed: str) -> str:
        """Return one of `allowed`, the first where it is not there."""
        text = self._values.get(name, allowed[0])
        if text not in allowed:
            raise self.wrong(name, f"give {' or '.join(allowed)}")
        return text

    @staticmethod
    def wrong(name: str, problem: str) -> RequestError:
        """Return the refusal of a parameter."""
        return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "parameter cannot be used", f"{name}: {problem}", name)

    def tenant_filter(self) -> "TenantFilter":
        """Return whom `token` and `testId` mean."""
        given = {name: value for name in ("token", "testId") if (value := self._values.get(name)) is not None}
        try:
            return tenant_filter(given)
        except ConfigError as error:
            raise self.wrong(error.pointer.strip("/"), error.problem) from None


class TenantFilter(StrictModel):
    """Whose something is: what belongs to one token, to one test, or to both; `None` means any."""

    token: Annotated[Token | None, Field(repr=False)] = None
    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - JSON's own spelling


def tenant_filter(given: object) -> TenantFilter:
    """Parse `{"token": …, "testId": …}`.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    if isinstance(given, Mapping):
        for name, value in given.items():
            if value is None:
                raise ConfigError("give text, or leave it out to mean all", f"/{name}")
    return parse_model(TenantFilter, given)


class AccessControlMiddleware:
    """Lets nobody through to the control API who should not drive it; its health is for all.

    Args:
        app: the control API.
        settings: what is allowed.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._token = settings.admin_token
        self._origins = set(settings.cors_origin)
        self._is_removed = settings.admin is False
        self._is_open = settings.admin or settings.admin_token is not None or is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        request = Request(scope)
        if scope["path"] != HEALTH:
            try:
                self._check(request)
            except RequestError as error:
                await error.answer()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        if self._is_removed:
            detail = "the server was started with --no-admin"
            raise RequestError(HTTPStatus.NOT_FOUND, "there is no control API", detail)
        self._check_host(request)
        if not self._is_open:
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "the control API is closed",
                "not only this machine reaches the server: start it with --admin-token, or with --admin to let all in",
            )
        origin = request.headers.get("origin")
        if origin is not None and not self._may_drive(origin, request):
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "the page is of another origin",
                f"{origin} may not drive the control API: name it with --cors-origin",
            )
        if self._token is not None:
            match = _BEARER.fullmatch(request.headers.get("authorization", "").strip())
            given = match[1] if match else ""
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                raise RequestError(
                    HTTPStatus.UNAUTHORIZED,
                    "the control API wants its token",
                    "send the header Authorization: Bearer … with the token of --admin-token",
                    headers={"www-authenticate": "Bearer"},
                )

    def _check_host(self, request: Request) -> None:
        """Refuse a name that may have been made to stand for this machine, so that a page of it could read here."""
        name = _host_name(f"//{request.headers.get('host', '')}")
        is_own = "." not in name or _is_address(name) or name.endswith(_LOCAL_NAMES)
        if self._token is None and not is_own and not any(name == _host_name(origin) for origin in self._origins):
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "not by this name",
                f"{name} may be anybody's name for this machine: call its address, or start it with --admin-token",
            )

    def _may_drive(self, origin: str, request: Request) -> bool:
        """Tell whether a page of `origin` may call: one that is named, or one of the server's own.

        The server's own pages are told by an address that no foreign name can stand for.
        """
        if origin in self._origins:
            return True
        host = _host_name(origin)
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        return origin == own and (host == "localhost" or _is_address(host))


def _host_name(origin: str) -> str:
    try:
        return (urlsplit(origin).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[\d.]+", host) is not None


def route(path: str, **handlers: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return the route of `path`, below the prefix, with a handler for each method, by its lower-case name."""

    async def dispatch(request: Request) -> Response:
        return await handlers[request.method.lower()](request)

    return Route(PREFIX + path, dispatch, methods=[method.upper() for method in handlers])


def no_such_call(
    request: Request, status: int = HTTPStatus.NOT_FOUND, headers: Mapping[str, str] | None = None
) -> RequestError:
    """Return the refusal of a call that does not exist, at all or with its method."""
    detail = f"{request.method} {request.url.path}: the control API has no such call"
    return RequestError(status, HTTPStatus(status).phrase, detail, headers=headers)
