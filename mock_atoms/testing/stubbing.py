"""The methods of `MockClient` that create and remove stubs."""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from mock_atoms.core.addresses import full_path
from mock_atoms.testing.control_api import ControlApi, delete_all


class Stubbing(ABC):
    """A client of a mock server that creates stubs."""

    _control: ControlApi
    _base_path: str

    @cached_property
    def _stub_ids(self) -> list[str]:
        """The ids of the stubs that this client added."""
        return []

    @abstractmethod
    def _tenant_fields(self, token: str | None, test_id: str | None) -> dict[str, str]:
        """Return the tenant that a method applies to."""

    def stub(  # noqa: PLR0913 - the parts of a stub
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        json: object = None,
        body: str | bytes | None = None,
        headers: Mapping[str, str | Sequence[str]] | None = None,
        delay_ms: float | None = None,
        priority: int | None = None,
        scenario: str | None = None,
        required_state: str | None = None,
        new_state: str | None = None,
        request: Mapping[str, Any] | None = None,
        response: Mapping[str, Any] | None = None,
        token: str | None = None,
        test_id: str | None = None,
    ) -> str:
        """Respond to a route without the API. The stub added last wins.

        Args:
            method: HTTP method, or `ANY`.
            path: path with or without the base path, such as `/agent/{id}`, or with a query, such as `/agent?page=2`.
            status: status code.
            json: body as JSON.
            body: body as text or bytes.
            headers: response headers.
            delay_ms: delay before the response.
            priority: stubs with a lower number come first; 5 by default.
            scenario: name of a scenario.
            required_state: match only in this state of the scenario; `Started` is the first one.
            new_state: state of the scenario after the response.
            request: further conditions, such as `{"bodyPatterns": [{"contains": "x"}]}`.
            response: further fields of the response, such as `{"fault": "EMPTY_RESPONSE"}`.
            token: match only this token.
            test_id: match only this `X-Test-Id`.

        Returns:
            The id of the stub.

        Raises:
            ControlError: the server rejects the stub.
        """
        stub = _stub_json(self._base_path, method, path, self._tenant_fields(token, test_id), request)
        stub["response"] = _response_json(status, json, body, headers, delay_ms) | dict(response or {})
        optional = {
            "priority": priority,
            "scenarioName": scenario,
            "requiredScenarioState": required_state,
            "newScenarioState": new_state,
        }
        stub |= {name: value for name, value in optional.items() if value is not None}
        stub_id: str = self._control.call("POST", "/mappings", stub)["id"]
        self._stub_ids.append(stub_id)
        return stub_id

    def remove_stub(self, stub_id: str | None = None) -> None:
        """Remove one stub, or all stubs that this client added.

        Args:
            stub_id: the stub to remove. Without it, stubs that no longer exist are ignored.

        Raises:
            ControlError: there is no stub with that id.
        """
        if stub_id is not None:
            self._control.call("DELETE", f"/mappings/{quote(stub_id, safe='')}")
        else:
            delete_all(self._stub_ids, self.remove_stub)


def _stub_json(
    base_path: str, method: str, path: str, tenant: Mapping[str, str], conditions: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a stub without its response.

    Args:
        base_path: base path of the API.
        method: HTTP method, or `ANY`.
        path: path with or without the base path, perhaps with parameters or a query.
        tenant: the `token` and `testId` that a request must have.
        conditions: further fields of the request pattern.
    """
    route, question_mark, query = path.partition("?")
    route = full_path(base_path, route)
    field = "url" if question_mark else "urlPathTemplate" if "{" in route else "urlPath"
    headers: dict[str, Any] = {}
    if "token" in tenant:
        headers["Authorization"] = {"equalTo": f"Bearer {tenant['token']}"}
    if "testId" in tenant:
        headers["X-Test-Id"] = {"equalTo": tenant["testId"]}
    request: dict[str, Any] = {"method": method.upper(), field: route + question_mark + query, **(conditions or {})}
    headers |= request.get("headers") or {}
    return {"request": {**request, **({"headers": headers} if headers else {})}}


def _response_json(
    status: int,
    json: object,
    body: str | bytes | None,
    headers: Mapping[str, str | Sequence[str]] | None,
    delay_ms: float | None,
) -> dict[str, Any]:
    """Return the response of a stub. JSON gets the content type of the API."""
    response: dict[str, Any] = {"status": status}
    fields = {name: value if isinstance(value, str) else [*value] for name, value in (headers or {}).items()}
    if json is not None:
        response["jsonBody"] = json
        if "content-type" not in map(str.lower, fields):
            fields["Content-Type"] = "application/json; charset=utf-8"
    if isinstance(body, bytes):
        response["base64Body"] = b64encode(body).decode()
    elif body is not None:
        response["body"] = body
    if fields:
        response["headers"] = fields
    if delay_ms is not None:
        response["fixedDelayMilliseconds"] = delay_ms
    return response
