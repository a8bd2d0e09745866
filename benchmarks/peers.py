"""Other mock servers, answering the same list to a bearer token: from npm, as `make bench-peers` installs them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders import LIST, Contender, Unusable

MODULES = Path(__file__).parent / "npm" / "node_modules"
LEAST_JAVA = 11
"""What WireMock 3 asks for."""
TYPE = "application/json; charset=utf-8"


class Peer(NamedTuple):
    """A mock server of others'."""

    name: str
    package: str
    contender: Callable[[Path, bytes], Contender]


def package(name: str) -> dict[str, Any]:
    """Return what an installed package says of itself.

    Raises:
        Unusable: it is not installed.
    """
    try:
        said: dict[str, Any] = json.loads((MODULES / name / "package.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unusable("not installed: make bench-peers installs it") from None
    return said


def version(told: str) -> tuple[int, ...]:
    """Return the first version in a text, as numbers."""
    match = re.search(r"\d+(\.\d+)*", told)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def told_by(*command: str) -> str:
    """Return the first line that a program tells.

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
    """Return the program of an installed package, once node is there and new enough for it.

    Raises:
        Unusable: it is not.
    """
    said = package(name)
    wanted, there = said.get("engines", {}).get("node", ""), told_by("node", "--version")
    if version(there) < version(wanted):
        raise Unusable(f"{name} {said['version']} wants node {wanted}, this is {there}")
    return str(MODULES / name / next(iter(said["bin"].values())))


def wiremock(folder: Path, content: bytes) -> Contender:
    """Return WireMock with a stub that wants a bearer token; its journal is on, as by default."""
    package("wiremock")
    java = told_by("java", "-version")
    if version(java) < (LEAST_JAVA,):
        raise Unusable(f"it wants Java {LEAST_JAVA}, this is {java}")
    jar = next((MODULES / "wiremock" / "build").glob("*.jar"))
    stub = {
        "request": {"method": "GET", "urlPath": LIST, "headers": {"Authorization": {"matches": "Bearer .+"}}},
        "response": {"status": 200, "headers": {"Content-Type": TYPE}, "body": content.decode()},
    }
    (folder / "mappings").mkdir()
    (folder / "mappings" / "list.json").write_text(json.dumps(stub), encoding="utf-8")
    flags = ("--root-dir", str(folder), "--bind-address", "127.0.0.1", "--disable-banner")
    # Bounded, it would count its journal for every request, which costs far more than to let it grow and empty it.
    return Contender(
        "WireMock",
        lambda port: ["java", "-jar", str(jar), "--port", str(port), *flags],
        emptied="/__admin/requests",
    )


def prism(folder: Path, content: bytes) -> Contender:
    """Return Prism with the OpenAPI document of this API, to which the list is added as the example."""
    program = node("@stoplight/prism-cli")
    command = [sys.executable, "-m", "mock_atoms", "openapi"]
    document = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    base = LIST.removesuffix("/audience")
    document["paths"] = {base + path: operations for path, operations in document["paths"].items()}
    answer = document["paths"][LIST]["get"]["responses"]["200"]["content"]["application/json"]
    answer["example"] = json.loads(content)
    path = folder / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    flags = ("--host", "127.0.0.1", "--verboseLevel", "silent")
    return Contender("Prism", lambda port: ["node", program, "mock", str(path), "--port", str(port), *flags])


def mockoon(folder: Path, content: bytes) -> Contender:
    """Return Mockoon with a route that answers the list to a bearer token, as it is, no template."""
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
    return Contender(
        "Mockoon", lambda port: ["node", program, "start", "--data", str(path), "--port", str(port), *flags]
    )


PEERS = (
    Peer("WireMock", "wiremock", wiremock),
    Peer("Prism", "@stoplight/prism-cli", prism),
    Peer("Mockoon", "@mockoon/cli", mockoon),
)


def find(folder: Path, content: bytes) -> tuple[list[Contender], dict[str, str]]:
    """Return the peers that can run, answering `content`, and why the others cannot; their files are in `folder`."""
    found: list[Contender] = []
    absent: dict[str, str] = {}
    for peer in PEERS:
        try:
            found.append(peer.contender(folder, content))
        except Unusable as reason:
            absent[peer.name] = str(reason)
    return found, absent


def versions() -> list[str]:
    """Return what of the peers and what runs them is installed, each with its version."""
    told = []
    for peer in PEERS:
        try:
            told.append(f"{peer.name} {package(peer.package)['version']}")
        except Unusable:
            continue
    for name, *command in (("Node", "node", "--version"), ("Java", "java", "-version")):
        try:
            told.append(f"{name} {'.'.join(map(str, version(told_by(*command))))}")
        except Unusable:
            continue
    return told
