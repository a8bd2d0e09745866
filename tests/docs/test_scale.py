"""Tries the commands of docs/scale.md, and compares its manifest and numbers with the code."""

import asyncio
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings
from mock_atoms.state.redis_log import SNAPSHOT_PIECE_BYTES, connect
from mock_atoms.state.replica import SNAPSHOT_BYTES, SNAPSHOT_ENTRIES
from mock_atoms.state.replicated_journal import MAX_KEPT_ENTRIES
from tests.helpers.redis import find_program, running
from tests.helpers.snippets import ROOT, Snippet, read_snippets

SNIPPETS = [snippet for snippet in read_snippets() if snippet.page == "scale.md"]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
HEALTH = "/__admin/health"


def snippets_of(language: str, label: str) -> list[Snippet]:
    return [snippet for snippet in SNIPPETS if (snippet.language, snippet.label) == (language, label)]


MANIFEST: list[dict[str, Any]] = list(yaml.safe_load_all(snippets_of("yaml", "kubernetes.yaml")[0].text))
OBJECTS = {(document["kind"], document["metadata"]["name"]): document for document in MANIFEST}


def test_every_snippet_is_of_a_tested_kind() -> None:
    assert {(snippet.language, snippet.label) for snippet in SNIPPETS} == {
        ("sh", "redis"),
        ("sh", "keys"),
        ("console", "docker"),  # tests/container runs it
        ("yaml", "kubernetes.yaml"),
        ("text", "acl"),
    }


@pytest.mark.parametrize("snippet", snippets_of("sh", "redis"), ids=str)
def test_serve_command_uses_the_store(snippet: Snippet, tmp_path: Path) -> None:
    program, *args = shlex.split(snippet.text)
    assert program == "mock-atoms"
    url = args[args.index("--store") + 1]
    with running(tmp_path) as server:
        args = [server.url + "/0" if argument == url else argument for argument in args]
        # No machine has this documentation address (RFC 5737): the command connects to the store and fails to listen.
        command = [sys.executable, "-m", "mock_atoms", *args, "--host", "192.0.2.1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        with server.client() as client:
            assert client.exists("{mock-atoms}:meta")
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1" in done.stderr
    assert url == "redis://localhost:6379/0"


def test_the_keys_of_a_prefix_can_be_deleted(tmp_path: Path) -> None:
    (snippet,) = snippets_of("sh", "keys")
    with running(tmp_path) as server, server.client() as client:

        async def create(prefix: str) -> None:
            await (await connect(server.url, prefix, {})).close()

        for prefix in (Settings().store_prefix, "other"):
            asyncio.run(create(prefix))
        program = find_program().replace("-server", "-cli")
        command = snippet.text.replace("redis-cli", f"{program} -p {server.url.rpartition(':')[2]}")
        subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL, timeout=60)
        assert client.keys() == [b"{other}:meta"]


def test_a_user_with_the_listed_permissions_suffices(tmp_path: Path) -> None:
    (snippet,) = snippets_of("text", "acl")
    with running(tmp_path, snippet.text) as server:

        async def use() -> None:
            url = server.url.replace("//", "//mock:secret@")
            log = await connect(url, Settings().store_prefix, {})
            await log.append([b"one", b"two"], 0)
            await log.save_snapshot(b"{}", 2)
            assert await log.load_snapshot() == b"{}"
            await log.close()

        asyncio.run(use())


def test_probes_and_services_of_the_manifest_lead_to_the_server() -> None:
    deployment = OBJECTS["Deployment", "mock-atoms"]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["ports"] == [{"containerPort": Settings().port}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": HEALTH, "port": Settings().port}
    (port,) = OBJECTS["Service", "mock-atoms"]["spec"]["ports"]
    assert port == {"port": Settings().port}
    for kind, name in (("Deployment", "mock-atoms"), ("StatefulSet", "valkey")):
        labels = OBJECTS[kind, name]["spec"]["template"]["metadata"]["labels"]
        assert OBJECTS[kind, name]["spec"]["selector"] == {"matchLabels": labels}
        assert OBJECTS["Service", name]["spec"]["selector"] == labels


def test_environment_of_the_manifest_is_valid() -> None:
    secret = OBJECTS["Secret", "mock-atoms"]["stringData"]
    (container,) = OBJECTS["Deployment", "mock-atoms"]["spec"]["template"]["spec"]["containers"]
    environment = {
        variable["name"]: variable.get("value") or secret[variable["valueFrom"]["secretKeyRef"]["key"]]
        for variable in container["env"]
    }
    settings = load_settings({}, environment)
    assert settings.store == f"redis://:{secret['store-password']}@valkey:6379/0"
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > settings.store_timeout
    assert container["image"].endswith(settings.store_prefix.removeprefix("mock-atoms-"))


@pytest.mark.parametrize(
    "arguments",
    [
        OBJECTS["StatefulSet", "valkey"]["spec"]["template"]["spec"]["containers"][0]["args"],
        shlex.split(COMPOSE["services"]["store"]["command"]),
    ],
    ids=["Kubernetes", "compose"],
)
def test_stores_keep_everything(arguments: list[str], tmp_path: Path) -> None:
    program, *options = arguments
    assert program == "valkey-server"
    lines = [f'{name.removeprefix("--")} "{value}"' for name, value in zip(options[::2], options[1::2], strict=True)]
    # The tests start a server without a password.
    with running(tmp_path, *(line for line in lines if "requirepass" not in line)) as server, server.client() as client:
        assert client.config_get("appendonly", "maxmemory-policy", "save") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "save": "",
        }


def test_compose_names_the_store_by_its_service() -> None:
    services = COMPOSE["services"]
    settings = load_settings({}, services["replica"]["environment"])
    assert settings.store == "valkey://store:6379/0"
    assert {name for name, service in services.items() if service.get("profiles") == ["scale"]} == {
        "store",
        "replica",
        "balancer",
    }
    assert f"replica:{settings.port}" in COMPOSE["configs"]["balancer"]["content"]


def test_numbers_of_entries_are_those_of_the_code() -> None:
    between, kept = f"{SNAPSHOT_ENTRIES:,}", f"{MAX_KEPT_ENTRIES:,}"
    size = Settings().journal_size
    assert f"Every {between} entries, or {SNAPSHOT_BYTES >> 20} MB of them, a server saves a snapshot" in PAGE
    assert f"in pieces of {SNAPSHOT_PIECE_BYTES // 1_000_000} MB" in PAGE
    assert f"about {SNAPSHOT_ENTRIES + 2 * size:,} entries with the default journal and requests of two" in PAGE
    few, many = (f"{SNAPSHOT_ENTRIES + entries * 1000:,}" for entries in (2, 4))
    assert f"With `--journal-size 1000` the log has about {few} entries, or {many} if" in PAGE
    assert (
        f"after {kept} further entries, so the log never has more than {MAX_KEPT_ENTRIES + SNAPSHOT_ENTRIES:,}" in PAGE
    )
