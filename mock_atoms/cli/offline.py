"""The commands that print data without a server: `fixtures` and `openapi`."""

from mock_atoms.cli.command import EXIT_FAILED, EXIT_OK, Command, CommandParser, Invocation, add_settings
from mock_atoms.core.settings import Settings


def _add_fixtures_arguments(parser: CommandParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help="the token, without Bearer")
    names = ("seed", "locale", "fixtures", "tokens", "session_cookie", "audience_order", "active_campaigns")
    add_settings(parser, names)


def _run_fixtures(invocation: Invocation) -> int:
    from mock_atoms.contract.errors import error_body  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.core.tenancy import AuthenticatedCaller, identify  # noqa: PLC0415 - the same
    from mock_atoms.data.models import api_fields  # noqa: PLC0415 - the same
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - the same

    settings = invocation.load_settings()
    mock = MockAtoms(settings.model_copy(update={"store": "memory"}))
    headers = [(b"authorization", b"Bearer " + invocation.arguments.token.encode(errors="surrogateescape"))]
    caller = identify(headers, settings.session_cookie, settings.tokens)
    if isinstance(caller, AuthenticatedCaller):
        records = mock.fixtures.initial_data(caller).audiences
        audiences = [api_fields(record, settings.active_campaigns) for record in records]
        if settings.audience_order == "newest":
            audiences.reverse()
        invocation.print_json({"status": True, "data": audiences})
        return EXIT_OK
    invocation.fail(caller.reason)
    invocation.print_json(error_body(401, None, {}))
    return EXIT_FAILED


def _add_openapi_arguments(parser: CommandParser) -> None:
    add_settings(parser, ("base_path",))


def _run_openapi(invocation: Invocation) -> int:
    from mock_atoms.app import documented_vendor_app  # noqa: PLC0415 - other commands start faster without it
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - the same
    from mock_atoms.openapi import build_document  # noqa: PLC0415 - the same

    # The document depends on the base path only, so fixtures and faults need not be read.
    base_path = invocation.load_settings().base_path
    routes = documented_vendor_app(MockAtoms(Settings()).repositories)
    invocation.print_json(build_document(routes, base_path))
    return EXIT_OK


FIXTURES = Command(
    "fixtures",
    "print the audiences of a token",
    "Print the response of GET /audience for a token as JSON. The exit code is 1 if the token is invalid.",
    _add_fixtures_arguments,
    _run_fixtures,
)
OPENAPI = Command(
    "openapi",
    "print the OpenAPI document",
    "Print the OpenAPI 3.1 document of the mocked API.",
    _add_openapi_arguments,
    _run_openapi,
)
