"""What all tests with schemathesis share: documents, configuration and checks.

The document is ours. With CONTRACT_FOLDER=FOLDER it is one of the vendor's, such as FOLDER/audience.openapi.yaml.
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import schemathesis
import yaml
from schemathesis import CheckContext, Response

from mock_atoms import create_app
from tests.helpers.asgi import call

Case = schemathesis.Case[Any]
TOKEN = "sk_acme.schemathesis"
StatusCounts = Counter[tuple[bool, int]]
"""Number of responses by validity of the request and by status."""
# All checks of schemathesis are on except one. Its `object_level_authorization` needs several users.
CONFIG: dict[str, Any] = {
    # Each run sends the same requests and leaves no file behind.
    "seed": 1,
    "generation": {"mode": "all", "max-examples": 60, "deterministic": True, "database": "none"},
    # A request without an explicit URL fails: the vendor's document names the real server.
    "base-url": "http://127.0.0.1:1/atoms/v1",
    "request-timeout": 60,
    "auth": {"openapi": {"BearerAuth": {"bearer": TOKEN}}},
    "checks": {
        # It expects 405 and Allow; the real server sends Express's page with a 404 for an unknown method.
        # `unknown_methods_get_a_page` checks that.
        "unsupported_method": {"enabled": False},
        # `make_valid` makes positive requests valid: the 401, 403, 404, 409 and 5xx that schemathesis also accepts
        # would be errors.
        "positive_data_acceptance": {"expected-statuses": ["200"]},
        # A negative request is wrong only in what the document forbids. A 401 is for missing credentials.
        "negative_data_rejection": {"expected-statuses": ["400", "401"]},
    },
    "phases": {
        "stateful": {
            # The links are those of `with_links`; inferred ones would take steps from them.
            "inference": {"algorithms": []},
            "checks": {
                # An audience may be deleted (404), in use by a campaign (400 for DELETE), the documented example (403
                # for its members), or have an id that schemathesis invented (400). `Workflow.check_status` knows
                # which, and accepts only that status.
                "positive_data_acceptance": {"expected-statuses": ["200", "400", "403", "404"]},
                "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404"]},
            },
        }
    },
}


def ours() -> dict[str, Any]:
    document = json.loads(call(create_app(), "/openapi.json").body)
    assert isinstance(document, dict)
    return document


def contract_document(name: str, *prefixes: str) -> dict[str, Any]:
    """Return the document that the mock must conform to, with the paths that have one of these prefixes.

    Args:
        name: name of the vendor's document.
        prefixes: starts of paths.
    """
    folder = os.environ.get("CONTRACT_FOLDER")
    document = yaml.safe_load(Path(folder, f"{name}.openapi.yaml").read_text(encoding="utf-8")) if folder else ours()
    assert isinstance(document, dict)
    paths = {path: methods for path, methods in document["paths"].items() if path.startswith(prefixes)}
    return {**document, "paths": paths}


def unknown_methods_get_a_page(_context: CheckContext, response: Response, case: Case) -> bool | None:
    if case.method != case.operation.method.upper():
        path = urlsplit(str(response.request.url)).path
        assert response.status_code == 404
        assert response.headers["content-type"] == ["text/html; charset=utf-8"]
        assert f"<pre>Cannot {case.method} {path}</pre>" in response.content.decode()
    return None
