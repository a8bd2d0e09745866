"""Compare our OpenAPI document with the vendor's, on standard input and as a file: prose aside, they must be equal.

usage: mock-atoms openapi | python .ci/compare_contract.py get-all-audiences.openapi.yaml
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

PROSE = {"description", "title", "summary", "example"}


def facts(node: Any, path: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return every leaf of `node` by its path, without prose. Properties that are named like prose stay."""
    if isinstance(node, dict):
        kept = node if path.endswith("/properties") else {k: v for k, v in node.items() if k not in PROSE}
        return {k: v for key, value in kept.items() for k, v in facts(value, f"{path}/{key}").items()} or {path: {}}
    if isinstance(node, list):
        return {k: v for i, value in enumerate(node) for k, v in facts(value, f"{path}/{i}").items()} or {path: []}
    return {path: node}


def main() -> int:
    """Print each difference; return how the process should exit."""
    vendor = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ours = json.load(sys.stdin)
    real_servers = {server["url"] for server in vendor.pop("servers")}
    if not real_servers <= {server["url"] for server in ours.pop("servers")}:
        print("servers: the real one is missing")
        return 1
    for operation in vendor["paths"].values():
        for method in operation.values():
            method["security"] = [{"BearerAuth": []}]  # the vendor's public document has it on each operation
    want, have = facts(vendor), facts(ours)
    want.pop("/openapi")
    have.pop("/openapi")
    differences = [path for path in want | have if want.get(path) != have.get(path)]
    for path in differences:
        print(f"{path}: vendor {want.get(path)!r}, ours {have.get(path)!r}")
    print(f"contract: {len(want)} facts, {len(differences)} differ")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
