"""The `status` command."""

from typing import TYPE_CHECKING

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation
from mock_atoms.cli.running_server import SERVER_EPILOG, add_server, with_server
from mock_atoms.core.printable import show_invisible

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient


def _add_arguments(parser: CommandParser) -> None:
    add_server(parser)


def _run(invocation: Invocation, client: "MockClient") -> int:
    call = client.control.call
    health = call("GET", "/health")
    journal = call("GET", "/requests", query={"limit": 0})
    server = call("GET", "/server")
    reload = server.get("lastReload")  # older servers have none
    base_path = next(setting["value"] for setting in server["settings"] if setting["name"] == "base_path")
    status = {
        "url": client.root_url + base_path,
        "status": health["status"],
        "version": health["version"],
        "uptimeInSeconds": health["uptimeInSeconds"],
        "tenants": len(call("GET", "/tenants")["tenants"]),
        "faultRules": len(call("GET", "/faults")["faults"]),
        "requests": None if journal["requestJournalDisabled"] else journal["meta"]["total"],
        "lastReload": reload,
    }
    if invocation.arguments.json:
        invocation.print_json(status)
        return EXIT_OK
    requests = "the journal is off" if status["requests"] is None else status["requests"]
    lines = {
        "base URL": status["url"],
        "status": f"{status['status']}, version {status['version']}, up {_duration(health['uptimeInSeconds'])}",
        "tenants": status["tenants"],
        "fault rules": status["faultRules"],
        "requests": requests,
    }
    if reload is not None:
        lines["reload"] = f"{reload['at']}: {reload['error'] or 'fixtures and stubs were reloaded'}"
    width = max(map(len, lines))
    invocation.print("\n".join(show_invisible(f"{name:<{width}}  {value}") for name, value in lines.items()))
    return EXIT_OK


def _duration(seconds: int) -> str:
    """Return a duration such as `2 h 5 min`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


STATUS = Command(
    "status",
    "show what a running server has done",
    "Show the version of a running server, and its number of tenants, fault rules and recorded requests.",
    _add_arguments,
    with_server(_run),
    SERVER_EPILOG,
)
