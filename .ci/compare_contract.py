"""Compare our OpenAPI document, on standard input, with the vendor's two: prose aside, they must say the same.

usage: mock-atoms openapi | python .ci/compare_contract.py get-all-audiences.openapi.yaml audience.openapi.yaml

The first is the page of `GET /audience`, with names of schemas, tags and ids of operations; it wins for that operation.
The second has all operations, with their schemas written out.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

PROSE = {"description", "title", "summary", "example"}
NAMES = {"operationId", "tags", "x-fern-sdk-group-name", "x-fern-sdk-method-name"}


def facts(node: Any, path: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return every leaf of `node` by its path, without prose. Properties that are named like prose stay."""
    if isinstance(node, dict):
        kept = node if path.endswith("/properties") else {k: v for k, v in node.items() if k not in PROSE}
        return {k: v for key, value in kept.items() for k, v in facts(value, f"{path}/{key}").items()} or {path: {}}
    if isinstance(node, list):
        return {k: v for i, value in enumerate(node) for k, v in facts(value, f"{path}/{i}").items()} or {path: []}
    return {path: node}


def written_out(node: Any, document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return `node` with what it refers to in `document` in the place of each reference."""
    if isinstance(node, list):
        return [written_out(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return written_out(target, document)
    return {key: written_out(value, document) for key, value in node.items()}


def named(vendor: Any, ours: Any) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON
    """Return what the page of one operation says, and the same part of ours."""
    for methods in vendor["paths"].values():
        for operation in methods.values():
            operation["security"] = [{"BearerAuth": []}]  # the vendor's public document has it on each operation
    parts = {
        "info": ours["info"],
        "paths": {path: {m: ours["paths"][path][m] for m in methods} for path, methods in vendor["paths"].items()},
        "components": {
            kind: {name: ours["components"][kind].get(name) for name in named_parts}
            for kind, named_parts in vendor["components"].items()
        },
    }
    return {key: vendor[key] for key in parts}, parts


def operations(document: Any, but: set[str]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return all operations, written out, without names."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if f"{method} {path}" not in but:
                found[f"{method} {path}"] = {
                    key: value for key, value in written_out(operation, document).items() if key not in NAMES
                }
    return found


def main() -> int:
    """Print each difference; return how the process should exit."""
    page, public = (yaml.safe_load(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:])
    ours = json.load(sys.stdin)
    differences = 0
    if not {server["url"] for server in page["servers"]} <= {server["url"] for server in ours["servers"]}:
        print("servers: the real one is missing")
        differences += 1
    of_page = {f"{method} {path}" for path, methods in page["paths"].items() for method in methods}
    for name, (vendor, own) in {
        "the page": named(page, ours),
        "the public document": (operations(public, of_page), operations(ours, of_page)),
    }.items():
        want, have = facts(vendor), facts(own)
        different = [path for path in want | have if want.get(path) != have.get(path)]
        for path in different:
            print(f"{path}: vendor {want.get(path)!r}, ours {have.get(path)!r}")
        print(f"{name}: {len(want)} facts, {len(different)} differ")
        differences += len(different)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
