"""Use an installed wheel as its user would: data, faults, and the documentation page without a network."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from mock_atoms import MockServer


def list_audiences(mock: MockServer, token: str) -> tuple[int, Any]:
    """Return status and body of the response to `GET /audience`."""
    request = urllib.request.Request(mock.url + "/audience", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


with MockServer() as mock:
    status, body = list_audiences(mock, "sk_acme")
    assert status == HTTPStatus.OK, (status, body)
    assert body["data"], body
    for token, expected in (
        ("sk_mock_revoked", HTTPStatus.UNAUTHORIZED),
        ("sk_mock_500", HTTPStatus.INTERNAL_SERVER_ERROR),
    ):
        status, body = list_audiences(mock, token)
        assert status == expected, (token, status, body)
    with urllib.request.urlopen(mock.root_url + "/docs-assets/swagger-ui-bundle.js") as script:
        assert script.status == HTTPStatus.OK
    for file in ("", "dashboard/app.js", "dashboard/style.css"):
        with urllib.request.urlopen(f"{mock.root_url}/__admin/{file}") as response:
            assert response.status == HTTPStatus.OK, file
print("the wheel serves", mock.url)
