"""The operations on accounts and agents against an OpenAPI document, as in `test_schemathesis.py`."""

from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import CheckContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from mock_atoms import MockServer
from mock_atoms.contract.agents import MAX_NAME_LENGTH
from tests.contract.conformance import CONFIG, TOKEN, Case, StatusCounts, contract_document, unknown_methods_get_a_page
from tests.helpers.audiences import bearer

pytestmark = pytest.mark.slow

DETAILS, USER, NUMBERS = "GET /account/get-account-details", "GET /user", "GET /product/phone-numbers"
CREATE, ARCHIVE = "POST /agent", "DELETE /agent/{id}/archive"
PREFIXES = ("/account/", "/user", "/product/", "/agent")
CHECKS = {**CONFIG["checks"], "positive_data_acceptance": {"expected-statuses": ["200", "201"]}}
schema = schemathesis.openapi.from_dict(
    contract_document("neighbours", *PREFIXES),
    config=SchemathesisConfig.from_dict(CONFIG | {"checks": CHECKS}),
)


def new_agent(http: httpx.Client, *, is_archived: bool) -> str:
    agent_id = str(http.post("/agent", json={"name": "Mine"}).raise_for_status().json()["data"])
    if is_archived:
        http.delete(f"/agent/{agent_id}/archive").raise_for_status()
    return agent_id


def make_valid(case: Case, http: httpx.Client) -> bool:
    """Make the positive parts of a request valid, and return whether it is valid; see `test_schemathesis.py`."""
    meta = case.meta
    assert meta is not None
    is_valid = meta.generation.mode.is_positive
    for name in [name for name in case.headers if name.lower() not in ("authorization", "content-type")]:
        del case.headers[name]
    if case.operation.label == ARCHIVE:
        on = case.query.get("on", True)
        case.path_parameters = {"id": new_agent(http, is_archived=on in (False, "false"))}
    body: Any = case.body
    if case.operation.label == CREATE and isinstance(body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        changes: dict[str, Any] = {"name": body["name"].strip()[:MAX_NAME_LENGTH] or "Mine"}
        if "language" in body:  # its fields must not contradict each other
            changes["language"] = body["language"] | {"default": "en", "supported": ["en"]}
        if "gpt-realtime" in str(body.get("slmModel")) + str(body.get("synthesizer")):
            changes["workflowType"] = "single_prompt"
        case.body = body | changes
    return is_valid


def conforms(label: str, status: int = 200) -> object:
    """Return a test of one operation, see `test_schemathesis.conforms`."""

    @schema.include(name=label).parametrize()
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test(
        case: Case, mock: MockServer, session: requests.Session, statuses: StatusCounts, request: pytest.FixtureRequest
    ) -> None:
        headers = {"X-Test-Id": request.node.name}
        with httpx.Client(base_url=mock.url, headers=bearer(TOKEN) | headers) as http:
            is_valid = make_valid(case, http)

        def valid_requests_succeed(_context: CheckContext, response: Response, _case: Case) -> bool | None:
            assert response.status_code == status or not is_valid
            return None

        response = case.call_and_validate(
            mock.url, session, headers, additional_checks=[unknown_methods_get_a_page, valid_requests_succeed]
        )
        statuses[is_valid, response.status_code] += 1

    return test


test_account_details_conform_to_the_document = conforms(DETAILS)
test_the_user_conforms_to_the_document = conforms(USER)
test_phone_numbers_conform_to_the_document = conforms(NUMBERS)
test_creating_an_agent_conforms_to_the_document = conforms(CREATE, 201)
test_archiving_an_agent_conforms_to_the_document = conforms(ARCHIVE)


def test_the_documents_have_no_other_operations_on_accounts_and_agents() -> None:
    paths = contract_document("neighbours", *PREFIXES)["paths"]
    labels = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert sorted(labels) == sorted((DETAILS, USER, NUMBERS, CREATE, ARCHIVE))
