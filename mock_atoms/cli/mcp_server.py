"""The control API as tools of an MCP server, for coding agents."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar
from urllib.parse import quote

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import Field, ValidationError

from mock_atoms.cli.causes import Causes
from mock_atoms.core.parsing import config_error
from mock_atoms.core.version import __version__
from mock_atoms.testing.client import MockClient, journal_content
from mock_atoms.testing.control_api import ControlError

MAX_REQUESTS = 200
MAX_BODY_CHARACTERS = 2_000
_INSTRUCTIONS = (
    "mock-atoms is a local mock of the Atoms audience API. Each bearer token has separate data. Point the program "
    "under test at the base URL, make its requests fail with add_fault, and read what it did with list_requests and "
    "retry_report."
)

Token = Annotated[str | None, Field(description="Only this bearer token. Without it: all tokens.")]
TestId = Annotated[str | None, Field(description="Only this X-Test-Id. Without it: all tests.")]
Method = Annotated[str | None, Field(description="Only this HTTP method.")]
Path = Annotated[str | None, Field(description="Only this path below the base path, such as /audience/{id}.")]
P = ParamSpec("P")
R = TypeVar("R")


class _Server(MCPServer):
    """An MCP server whose errors about arguments are in plain words, with credentials masked."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(str(config_error(error.__cause__, ""))) from error.__cause__
            raise


def build_server(client: MockClient) -> MCPServer:
    """Return an MCP server whose tools call the control API of `client`'s server."""
    server = _Server("mock-atoms", version=__version__, instructions=_INSTRUCTIONS, log_level="WARNING")
    tools = Tools(client)
    for tool in (
        tools.list_requests,
        tools.show_request,
        tools.retry_report,
        tools.list_violations,
        tools.list_faults,
        tools.add_fault,
        tools.remove_fault,
        tools.list_stubs,
        tools.add_stub,
        tools.remove_stub,
        tools.list_tenants,
        tools.show_tenant,
        tools.set_tenant,
        tools.reset,
    ):
        server.tool()(_with_errors(tool))
    return server


def _with_errors(tool: Callable[P, R]) -> Callable[P, R]:
    """Return `tool` with errors that the agent can read."""

    @wraps(tool)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return tool(*args, **kwargs)
        except ControlError as error:
            raise ToolError(error.detail) from None

    return call


class Tools:
    """The tools. Their docstrings and annotations are what an agent reads.

    Args:
        client: client of the server.
    """

    def __init__(self, client: MockClient) -> None:
        self._client = client
        self._call = client.control.call

    def list_requests(  # noqa: PLR0913 - the filters of the control API
        self,
        *,
        token: Token = None,
        test_id: TestId = None,
        method: Method = None,
        path: Path = None,
        status: Annotated[
            int | str | None, Field(description="Only responses with this status code, or of this class, such as 5xx.")
        ] = None,
        limit: Annotated[int, Field(ge=1, le=MAX_REQUESTS, description="How many to return, the newest first.")] = 20,
    ) -> dict[str, Any]:
        """List the requests that the mock received, newest first, with status, fault and attempt number."""
        query = _present(token=token, testId=test_id, method=method, path=path, status=status, limit=limit)
        content = journal_content(self._call("GET", "/requests", query=query))
        return {
            "baseUrl": self._client.url,
            "total": content["meta"]["total"],
            "requests": list(map(_summary, content["requests"])),
        }

    def show_request(
        self, request_id: Annotated[str, Field(description="`id` of a request in list_requests.")]
    ) -> dict[str, Any]:
        """Show why one request got its response, and both completely: headers, bodies and timing."""
        event: dict[str, Any] = self._call("GET", f"/requests/{quote(request_id, safe='')}")
        causes = Causes(self._client, {"limit": str(MAX_REQUESTS)})
        nearest = causes.nearest(event)
        return {"why": causes.of(event), **({"nearest": nearest} if nearest else {}), **event}

    def retry_report(self, token: Token = None, test_id: TestId = None) -> str:
        """Report how the program retried after failures, and what it did wrong, such as ignoring Retry-After."""
        return self._client.retries(token=token, test_id=test_id).text

    def list_violations(self, token: Token = None, test_id: TestId = None) -> dict[str, Any]:
        """List what the program sent that the API does not document, such as unknown parameters. Equal ones are one."""
        return journal_content(self._call("GET", "/violations", query=_present(token=token, testId=test_id)))

    def list_faults(self) -> dict[str, Any]:
        """List the fault rules, with how often each was evaluated and triggered."""
        rules: dict[str, Any] = self._call("GET", "/faults")
        return rules

    def add_fault(
        self,
        fault: Annotated[
            str,
            Field(
                description="500 fails all requests, 500x2 the next two of each token, 503p25 a quarter; delay250 "
                "waits 250 ms; 429+retry1 asks to retry after 1 s; reset, close and hang break the connection; "
                "html and badjson send a malformed body. Join effects with +."
            ),
        ],
        token: Token = None,
        test_id: TestId = None,
        method: Method = None,
        path: Path = None,
    ) -> dict[str, Any]:
        """Make matching requests fail until the rule is removed. Return the rule with its id."""
        rule_id = self._client.fail(fault, method=method, path=path, token=token, test_id=test_id)
        rule: dict[str, Any] = self._call("GET", f"/faults/{rule_id}")
        return rule

    def remove_fault(
        self, rule_id: Annotated[str | None, Field(description="Id of the rule. Without it: all created rules.")] = None
    ) -> str:
        """Remove one fault rule, or all that were created."""
        self._call("DELETE", "/faults" if rule_id is None else f"/faults/{quote(rule_id, safe='')}")
        return "removed"

    def list_stubs(self) -> dict[str, Any]:
        """List the stubs: responses to routes that the mock does not have, in WireMock's JSON."""
        stubs: dict[str, Any] = self._call("GET", "/mappings")
        return stubs

    def add_stub(
        self,
        method: Annotated[str, Field(description="HTTP method, or ANY.")],
        path: Annotated[str, Field(description="Path below the base path, such as /voices/{id}.")],
        status: Annotated[int, Field(description="Status code of the response.")] = 200,
        body: Annotated[Any, Field(description="Body of the response as JSON.")] = None,  # noqa: ANN401 - any JSON
        token: Token = None,
    ) -> str:
        """Respond to a route that the mock does not have, or in place of the mock. Return the id of the stub."""
        try:
            return self._client.stub(method, path, status=status, json=body, token=token)
        except ValueError as error:
            raise ToolError(str(error)) from None

    def remove_stub(
        self, stub_id: Annotated[str | None, Field(description="Id of the stub. Without it: all stubs.")] = None
    ) -> str:
        """Remove one stub, or all of them."""
        self._call("DELETE", "/mappings" if stub_id is None else f"/mappings/{quote(stub_id, safe='')}")
        return "removed"

    def list_tenants(self) -> dict[str, Any]:
        """List the tokens, and tests of tokens, that sent requests. Tokens are masked."""
        tenants: dict[str, Any] = self._call("GET", "/tenants")
        return tenants

    def show_tenant(
        self,
        token: Annotated[str, Field(description="Bearer token.")],
        test_id: Annotated[str | None, Field(description="Show the data of this X-Test-Id.")] = None,
        audience_id: Annotated[str | None, Field(description="Show the members of this audience.")] = None,
        page: Annotated[int, Field(ge=1, description="Page of 20 members.")] = 1,
    ) -> dict[str, Any]:
        """Show the audiences of a token as its clients see them, or the members of one."""
        query = _present(token=token, testId=test_id)
        if audience_id is None:
            audiences: dict[str, Any] = self._call("GET", "/audiences", query=query)
            return audiences
        path = f"/audiences/{quote(audience_id, safe='')}/members"
        members: dict[str, Any] = self._call("GET", path, query={**query, "page": page})
        return members

    def set_tenant(
        self,
        token: Annotated[str, Field(description="Bearer token whose data is replaced.")],
        audiences: Annotated[
            list[dict[str, Any]],
            Field(description='Audiences such as {"name": "Pioneers", "memberCount": 3}. Missing keys are generated.'),
        ],
        test_id: Annotated[str | None, Field(description="Set the data only for this X-Test-Id.")] = None,
    ) -> list[dict[str, Any]]:
        """Set the audiences of a token, and return them as the API lists them."""
        return self._client.set_audiences(audiences, token=token, test_id=test_id)

    def reset(self, token: Token = None, test_id: TestId = None) -> str:
        """Reset data, fault rules, counters and recorded requests of a token or a test, or everything with stubs."""
        self._client.reset(token=token, test_id=test_id)
        return "reset"


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _summary(event: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of an exchange that an agent needs first."""
    request = event["request"]
    own = request["mockAtoms"]
    names = ("status", "ended", "tenant", "testId", "attempt", "faults", "reason", "durationMs")
    return {
        "id": event["id"],
        "time": request["loggedDateString"],
        "method": request["method"],
        "url": request["url"],
        **{name: own[name] for name in names if own[name] not in (None, [])},
        **({"body": request["body"][:MAX_BODY_CHARACTERS]} if request["body"] else {}),
    }
