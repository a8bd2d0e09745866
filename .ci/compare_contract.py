"""Compare our OpenAPI document, on standard input, with those of the vendor; only prose may differ.

usage: mock-atoms openapi | python .ci/compare_contract.py get-all-audiences.openapi.yaml audience.openapi.yaml …

The first is the page of `GET /audience`; it has names of schemas, tags and operation ids, and
decides about that operation. The others have all operations, with their schemas inlined.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

PROSE = {"description", "title", "summary", "example", "examples"}
NAMES = {"operationId", "tags", "x-fern-sdk-group-name", "x-fern-sdk-method-name"}


def leaves(node: Any, path: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the leaves of `node` by path, without prose. Properties that are named like prose stay."""
    if isinstance(node, dict):
        members = node if path.endswith("/properties") else {k: v for k, v in node.items() if k not in PROSE}
        return {k: v for key, value in members.items() for k, v in leaves(value, f"{path}/{key}").items()} or {path: {}}
    if isinstance(node, list):
        return {k: v for i, value in enumerate(node) for k, v in leaves(value, f"{path}/{i}").items()} or {path: []}
    return {path: node}


def inline_references(node: Any, document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return `node` with each reference replaced by its target in `document`."""
    if isinstance(node, list):
        return [inline_references(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return inline_references(target, document) | siblings
    if node.get("nullable"):  # of OpenAPI 3.0; ours is 3.1
        node = {key: value for key, value in node.items() if key != "nullable"} | {"type": [node["type"], "null"]}
    return {key: inline_references(value, document) for key, value in node.items()}


def page_parts(vendor: Any, ours: Any) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON
    """Return the vendor's page of one operation, and the same parts of our document."""
    for methods in vendor["paths"].values():
        for operation in methods.values():
            operation["security"] = [{"BearerAuth": []}]  # as the vendor's public document has it
    parts = {
        "info": ours["info"],
        "paths": {path: {m: ours["paths"][path][m] for m in methods} for path, methods in vendor["paths"].items()},
        "components": {
            kind: {name: ours["components"][kind].get(name) for name in named_parts}
            for kind, named_parts in vendor["components"].items()
        },
    }
    return {key: vendor[key] for key in parts}, parts


def operations(document: Any, excluded: set[str]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the operations with references inlined and names removed."""
    result = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if f"{method} {path}" not in excluded and "x-undocumented" not in operation:
                result[f"{method} {path}"] = {
                    key: value for key, value in inline_references(operation, document).items() if key not in NAMES
                }
    return result


def main() -> int:
    """Print each difference; return the exit code."""
    page, *publics = (yaml.safe_load(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:])
    ours = json.load(sys.stdin)
    differences = 0
    if not {server["url"] for server in page["servers"]} <= {server["url"] for server in ours["servers"]}:
        print("servers: the vendor's server is missing")
        differences += 1
    page_operations = {f"{method} {path}" for path, methods in page["paths"].items() for method in methods}
    for name, (vendor_part, our_part) in {
        "the page": page_parts(page, ours),
        "the public documents": (
            {name: one for public in publics for name, one in operations(public, page_operations).items()},
            operations(ours, page_operations),
        ),
    }.items():
        expected, actual = leaves(vendor_part), leaves(our_part)
        different = [path for path in expected | actual if expected.get(path) != actual.get(path)]
        for path in different:
            print(f"{path}: vendor {expected.get(path)!r}, ours {actual.get(path)!r}")
        print(f"{name}: {len(expected)} values, {len(different)} differ")
        differences += len(different)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
