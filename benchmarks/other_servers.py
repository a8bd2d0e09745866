"""Other mock servers that send the same list to a bearer token. `make bench-peers` installs them from npm."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.servers import LIST, ServerSpec, Unusable

MODULES = Path(__file__).parent / "npm" / "node_modules"
MIN_JAVA = 11
"""The version that WireMock 3 needs."""
TYPE = "application/json; charset=utf-8"


class OtherServer(NamedTuple):
    """Another mock server."""

    name: str
    package: str
    spec: Callable[[Path, bytes], ServerSpec]


def package(name: str) -> dict[str, Any]:
    """Return the `package.json` of an installed package.

    Raises:
        Unusable: it is not installed.
    """
    try:
        metadata: dict[str, Any] = json.loads((MODULES / name / "package.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unusable("not installed: make bench-peers installs it") from None
    return metadata


def version(text: str) -> tuple[int, ...]:
    """Return the first version in a text, as numbers."""
    match = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def first_line_of(*command: str) -> str:
    """Return the first line that a program prints.

    Raises:
        Unusable: it is not installed, or does not work.
    """
    if shutil.which(command[0]) is None:
        raise Unusable(f"{command[0]} is not installed")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Unusable(f"{' '.join(command)} failed: {done.stdout.strip()[:200]}")
    return done.stdout.partition("\n")[0].strip()


def node(name: str) -> str:
    """Return the program of an installed package.

    Raises:
        Unusable: the package or node is not installed, or node is too old for it.
    """
    metadata = package(name)
    required, installed = metadata.get("engines", {}).get("node", ""), first_line_of("node", "--version")
    if version(installed) < version(required):
        raise Unusable(f"{name} {metadata['version']} needs node {required}; found {installed}")
    return str(MODULES / name / next(iter(metadata["bin"].values())))


def wiremock(folder: Path, content: bytes) -> ServerSpec:
    """Return WireMock with a stub that requires a bearer token; its journal is on, as by default."""
    package("wiremock")
    java = first_line_of("java", "-version")
    if version(java) < (MIN_JAVA,):
        raise Unusable(f"needs Java {MIN_JAVA}; found {java}")
    jar = next((MODULES / "wiremock" / "build").glob("*.jar"))
    stub = {
        "request": {"method": "GET", "urlPath": LIST, "headers": {"Authorization": {"matches": "Bearer .+"}}},
        "response": {"status": 200, "headers": {"Content-Type": TYPE}, "body": content.decode()},
    }
    (folder / "mappings").mkdir()
    (folder / "mappings" / "list.json").write_text(json.dumps(stub), encoding="utf-8")
    flags = ("--root-dir", str(folder), "--bind-address", "127.0.0.1", "--disable-banner")
    # A bounded journal is counted for every request. Emptying an unbounded one between runs costs far less.
    return ServerSpec(
        "WireMock",
        lambda port: ["java", "-jar", str(jar), "--port", str(port), *flags],
        journal_path="/__admin/requests",
    )


def prism(folder: Path, content: bytes) -> ServerSpec:
    """Return Prism with our OpenAPI document, which has the list as its example."""
    program = node("@stoplight/prism-cli")
    command = [sys.executable, "-m", "mock_atoms", "openapi"]
    document = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    base = LIST.removesuffix("/audience")
    document["paths"] = {base + path: operations for path, operations in document["paths"].items()}
    media_type = document["paths"][LIST]["get"]["responses"]["200"]["content"]["application/json"]
    media_type["example"] = json.loads(content)
    path = folder / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    flags = ("--host", "127.0.0.1", "--verboseLevel", "silent")
    return ServerSpec("Prism", lambda port: ["node", program, "mock", str(path), "--port", str(port), *flags])


def mockoon(folder: Path, content: bytes) -> ServerSpec:
    """Return Mockoon with a route that sends the list to a bearer token, without templating."""
    program = node("@mockoon/cli")

    def response(number: int, status: int, body: str, *rules: dict[str, Any]) -> dict[str, Any]:
        return {
            "uuid": f"00000000-0000-4000-8000-{number:012}",
            "statusCode": status,
            "headers": [{"key": "Content-Type", "value": TYPE}],
            "bodyType": "INLINE",
            "body": body,
            "disableTemplating": True,
            "rules": rules,
            "default": not rules,
        }

    bearer = {"target": "header", "modifier": "Authorization", "operator": "regex", "value": "^Bearer .+"}
    identity = "00000000-0000-4000-8000-000000000000"
    route = {
        "uuid": identity,
        "type": "http",
        "method": "get",
        "endpoint": LIST.removeprefix("/"),
        "responses": [response(1, 200, content.decode(), bearer), response(2, 401, "{}")],
    }
    environment = {"name": "list", "routes": [route], "rootChildren": [{"type": "route", "uuid": identity}]}
    path = folder / "mockoon.json"
    path.write_text(json.dumps(environment), encoding="utf-8")
    flags = ("--hostname", "127.0.0.1", "--disable-log-to-file", "--repair")
    return ServerSpec(
        "Mockoon", lambda port: ["node", program, "start", "--data", str(path), "--port", str(port), *flags]
    )


OTHER_SERVERS = (
    OtherServer("WireMock", "wiremock", wiremock),
    OtherServer("Prism", "@stoplight/prism-cli", prism),
    OtherServer("Mockoon", "@mockoon/cli", mockoon),
)


def find(folder: Path, content: bytes) -> tuple[list[ServerSpec], dict[str, str]]:
    """Return the servers that can serve `content` from files in `folder`, and the reasons of those that cannot run."""
    found: list[ServerSpec] = []
    skipped: dict[str, str] = {}
    for server in OTHER_SERVERS:
        try:
            found.append(server.spec(folder, content))
        except Unusable as reason:
            skipped[server.name] = str(reason)
    return found, skipped


def versions() -> list[str]:
    """Return the names and versions of the installed servers, and of Node and Java."""
    installed = []
    for server in OTHER_SERVERS:
        try:
            installed.append(f"{server.name} {package(server.package)['version']}")
        except Unusable:
            continue
    for name, *command in (("Node", "node", "--version"), ("Java", "java", "-version")):
        try:
            installed.append(f"{name} {'.'.join(map(str, version(first_line_of(*command))))}")
        except Unusable:
            continue
    return installed
