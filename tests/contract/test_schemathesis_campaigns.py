"""The operations on campaigns against an OpenAPI document, as in `test_schemathesis.py`."""

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
from tests.contract.conformance import CONFIG, TOKEN, Case, StatusCounts, contract_document, unknown_methods_get_a_page
from tests.helpers.audiences import bearer

pytestmark = pytest.mark.slow

LIST, CREATE, GET, DELETE = "GET /campaign", "POST /campaign", "GET /campaign/{id}", "DELETE /campaign/{id}"
START, PAUSE = "POST /campaign/{id}/start", "POST /campaign/{id}/pause"
RESULTS, LOGS = "GET /campaign/{id}/export/by-audience-member", "GET /campaign/{id}/logs/export"
AGENT = "60d0fe4f5311236168a109cc"
CHECKS = {
    **CONFIG["checks"],
    "positive_data_acceptance": {"expected-statuses": ["200", "201", "202"]},
    # An unknown `format` of an export is JSON, and an unknown campaign a 404 there.
    "negative_data_rejection": {"expected-statuses": ["200", "400", "401", "404"]},
    # Exports document no 401 and no 400; the first is that of every operation.
    "status_code_conformance": {"enabled": False},
}
schema = schemathesis.openapi.from_dict(
    contract_document("campaign", "/campaign"), config=SchemathesisConfig.from_dict(CONFIG | {"checks": CHECKS})
)


def new_campaign(http: httpx.Client, *, is_started: bool) -> str:
    audience = http.get("/audience").json()["data"][0]["_id"]
    body = {"name": "Mine", "audienceId": audience, "agentId": AGENT}
    campaign_id = str(http.post("/campaign", json=body).raise_for_status().json()["data"]["_id"])
    if is_started:
        http.post(f"/campaign/{campaign_id}/start").raise_for_status()
    return campaign_id


def make_valid(case: Case, http: httpx.Client) -> bool:
    """Make the positive parts of a request valid, and return whether it is valid; see `test_schemathesis.py`."""
    meta = case.meta
    assert meta is not None
    for name in [name for name in case.headers if name.lower() not in ("authorization", "content-type")]:
        del case.headers[name]
    label = case.operation.label
    if "{id}" in label and not meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters = {"id": new_campaign(http, is_started=label == PAUSE)}
    if label == LIST and not meta.is_negative_at(ParameterLocation.QUERY):
        for name in {"page", "offset"} & case.query.keys():
            case.query[name] = max(1, abs(int(str(case.query[name])[:9].strip("-") or 1)))
    if label == RESULTS and case.query.get("format") == "csv":
        del case.query["format"]  # the document has no content of a CSV file
    body: Any = case.body
    if label == CREATE and isinstance(body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        ids = {"audienceId": http.get("/audience").json()["data"][0]["_id"], "agentId": AGENT}
        changes = {"name": body["name"].strip() or "Mine", "scheduledAt": "2090-01-01T00:00:00Z"}
        case.body = body | ids | changes | ({"phoneNumberIds": [AGENT]} if body.get("phoneNumberIds") else {})
    return meta.generation.mode.is_positive


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

        def has_a_documented_status(_context: CheckContext, response: Response, case: Case) -> bool | None:
            assert response.status_code == status or not is_valid
            documented = {int(code) for code in case.operation.definition.raw["responses"]}
            is_known_method = case.method == case.operation.method.upper()
            assert response.status_code in documented | {401} or not is_known_method
            return None

        response = case.call_and_validate(
            mock.url, session, headers, additional_checks=[unknown_methods_get_a_page, has_a_documented_status]
        )
        statuses[is_valid, response.status_code] += 1

    return test


test_listing_campaigns_conforms_to_the_document = conforms(LIST)
test_creating_a_campaign_conforms_to_the_document = conforms(CREATE, 201)
test_getting_a_campaign_conforms_to_the_document = conforms(GET)
test_deleting_a_campaign_conforms_to_the_document = conforms(DELETE)
test_starting_a_campaign_conforms_to_the_document = conforms(START, 202)
test_pausing_a_campaign_conforms_to_the_document = conforms(PAUSE)
test_exporting_results_conforms_to_the_document = conforms(RESULTS)
test_exporting_logs_conforms_to_the_document = conforms(LOGS)


def test_the_documents_have_no_other_operations_on_campaigns() -> None:
    paths = contract_document("campaign", "/campaign")["paths"]
    labels = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert sorted(labels) == sorted((LIST, CREATE, GET, DELETE, START, PAUSE, RESULTS, LOGS))
