"""The mock against an OpenAPI document: schemathesis asks for what it allows, and for what it does not.

The document is ours. With CONTRACT_DOCUMENT=/path/to/audience.openapi.yaml it is the vendor's own.
"""

import copy
import csv
import io
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis import CheckContext, CheckFunction, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import UseAfterFree

from mock_atoms import MockServer, create_app
from tests.helpers.asgi import call
from tests.helpers.audiences import bearer

pytestmark = pytest.mark.slow

Case = schemathesis.Case[Any]
TOKEN = "sk_acme.schemathesis"
LIST, CREATE, GET, DELETE = "GET /audience", "POST /audience", "GET /audience/{id}", "DELETE /audience/{id}"
MEMBERS, ADD, REMOVE = "GET /audience/{id}/members", "POST /audience/{id}/members", "DELETE /audience/{id}/members"
SEARCH = "GET /audience/{id}/members/search"
OF_ONE_AUDIENCE = (GET, DELETE, MEMBERS, ADD, REMOVE, SEARCH)
# All checks that schemathesis has are on, but for one. Its `object_level_authorization` looks only where it is told of
# several users.
CONFIG = {
    # Each run asks the same, and leaves no file behind.
    "seed": 1,
    "generation": {"mode": "all", "max-examples": 60, "deterministic": True, "database": "none"},
    # Should a request not be told where to go, it goes nowhere: the vendor's document names the real server.
    "base-url": "http://127.0.0.1:1/atoms/v1",
    "request-timeout": 60,
    "auth": {"openapi": {"BearerAuth": {"bearer": TOKEN}}},
    "checks": {
        # It wants 405 and Allow; the real server answers a method that a path does not have with Express's page and
        # 404. `unknown_methods_get_a_page` holds the mock to that.
        "unsupported_method": {"enabled": False},
        # `make_right` leaves nothing that could be wrong with a positive request: the 401, 403, 404, 409 and 5xx that
        # schemathesis takes as well would be mistakes.
        "positive_data_acceptance": {"expected-statuses": ["200"]},
        # Nor is there anything wrong with a negative one but what the document forbids. A 401 is for credentials that
        # were left out.
        "negative_data_rejection": {"expected-statuses": ["400", "401"]},
    },
    "phases": {
        "stateful": {
            # The links are those of `linked`; guessed ones would take steps from them.
            "inference": {"algorithms": []},
            "checks": {
                # Here an audience may be deleted (404), in use by a campaign (400 for DELETE), or have an id that
                # schemathesis made up (400). `Workflow.answer_follows` knows which, and takes that status alone.
                "positive_data_acceptance": {"expected-statuses": ["200", "400", "404"]},
                "negative_data_rejection": {"expected-statuses": ["400", "401", "404"]},
            },
        }
    },
}


def ours() -> dict[str, Any]:
    document = json.loads(call(create_app(), "/openapi.json").body)
    assert isinstance(document, dict)
    return document


def given() -> dict[str, Any]:
    """Return the document that the mock is held to."""
    path = os.environ.get("CONTRACT_DOCUMENT")
    if not path:
        return ours()
    document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def linked(document: dict[str, Any]) -> dict[str, Any]:
    """Return `document` with links, of which neither has any: what an answer names can be asked for next."""
    document = copy.deepcopy(document)

    def link(label: str, audience_id: str, **more: object) -> dict[str, object]:
        method, path = label.split()
        operation = f"#/paths/{path.replace('/', '~1')}/{method.lower()}"
        return {"operationRef": operation, "parameters": {"path.id": audience_id}, **more}

    def after(label: str, links: dict[str, dict[str, object]]) -> None:
        method, path = label.split()
        document["paths"][path][method.lower()]["responses"]["200"]["links"] = links

    member = {"memberIds": ["$response.body#/data/members/0/_id"]}
    after(CREATE, {f"created: {label}": link(label, "$response.body#/data/_id") for label in OF_ONE_AUDIENCE})
    after(LIST, {f"listed: {label}": link(label, "$response.body#/data/0/_id") for label in OF_ONE_AUDIENCE})
    after(MEMBERS, {"first member": link(REMOVE, "$request.path.id", requestBody=member)})
    after(SEARCH, {"first found": link(REMOVE, "$request.path.id", requestBody=member)})
    after(DELETE, {"deleted": link(GET, "$request.path.id")})
    return document


schema = schemathesis.openapi.from_dict(linked(given()), config=SchemathesisConfig.from_dict(CONFIG))


@schema.hook("filter_failure")
def is_failure(_context: HookContext, failure: Failure, _case: Case, _response: Response) -> bool:
    # `use_after_free` takes a DELETE of members, which are named in its body, for one of all that is below its path.
    # What comes after the DELETE of an audience does count.
    return not (isinstance(failure, UseAfterFree) and failure.operation == REMOVE)


class Audience(NamedTuple):
    id: str
    column: str
    in_use: bool = False

    @classmethod
    def listed(cls, audiences: list[dict[str, Any]]) -> list[Self]:
        return [cls(one["_id"], one["phoneNumberColumnName"], one["hasCampaigns"]) for one in audiences]


class Tenant:
    """The tenant of one test, and a client of its own that sees to it that there is an audience to ask for."""

    def __init__(self, http: httpx.Client, test_id: str) -> None:
        self.headers = {"X-Test-Id": test_id}
        self._http = http
        self._http.headers.update(self.headers)
        self._begun = Audience.listed(http.get("/audience").raise_for_status().json()["data"])

    def created(self) -> Audience:
        column = "phoneNumber"
        form = {"name": "Made for one request", "phoneNumberColumnName": column}
        answer = self._http.post("/audience", data=form, files={"file": csv_file(column)}).raise_for_status()
        return Audience(answer.json()["data"]["_id"], column)

    def audience(self, drawn: str) -> Audience:
        """Return an audience, for what schemathesis made up: of the same kind again where that is the same again."""
        kinds = [None, *self._begun]
        return kinds[sum(drawn.encode()) % len(kinds)] or self.created()


def phone_number(nth: int) -> str:
    return f"+1{212 + nth // 100}55501{nth % 100:02}"


def csv_file(column: str, *others: str) -> str:
    """Return a file of five members that has these columns, whatever they are called."""
    columns = list(dict.fromkeys((column, *others)))
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(columns)
    rows.writerows([phone_number(nth), *(f"{name}\n{nth}" for name in columns[1:])] for nth in range(5))
    return file.getvalue()


def a_name(drawn: str, otherwise: str) -> str:
    """Return `drawn` where an audience, or a column of a CSV file, can be called that."""
    return drawn if drawn.isprintable() and drawn.strip() else otherwise


def make_right(case: Case, audience: Audience | None) -> bool:
    """Make what the document allows what the API takes, for both documents allow more. What is negative stays as it is.

    Args:
        case: what is about to be sent.
        audience: which one it is to ask for; `None` leaves it to ask for what it does.

    Returns:
        Whether nothing is wrong with it. Schemathesis, asked afterwards, takes a search in a column for a mistake: the
        documents name that parameter `*`.
    """
    meta = case.meta
    assert meta is not None
    is_right = meta.generation.mode.is_positive
    label, column = case.operation.label, audience.column if audience else "phoneNumber"
    # The document does not know headers such as Content-Length and Prefer, but HTTP and the mock do.
    for name in [name for name in case.headers if name.lower() not in ("authorization", "content-type")]:
        del case.headers[name]
    if audience:
        case.path_parameters = {"id": audience.id}
    if not meta.is_negative_at(ParameterLocation.QUERY):
        if label == MEMBERS:
            # Python reads no number of any length.
            case.query = {name: str(number)[:1000] for name, number in case.query.items()}
        if label == SEARCH:
            # One way of searching, not both and not neither.
            query, term = case.query.get("query"), case.query.get("*")
            case.query = {"query": query} if query else {column: term or "555"}
    body: Any = case.body
    if isinstance(body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        if label == CREATE:
            names = {"name": "Spring", "phoneNumberColumnName": column, "identifierColumnName": "name"}
            form = body | {key: a_name(body[key], otherwise) for key, otherwise in names.items() if key in body}
            columns = [form[key] for key in ("phoneNumberColumnName", "identifierColumnName") if key in form]
            case.body = form | {"file": csv_file(*columns, "note")}
        if label == ADD:
            # The first ones are in a `csv_file` too, and are skipped.
            members = [{**member, column: phone_number(3 + nth)} for nth, member in enumerate(body["members"])]
            case.body = body | {"members": members}
    return is_right


def unknown_methods_get_a_page(_context: CheckContext, response: Response, case: Case) -> bool | None:
    if case.method != case.operation.method.upper():
        path = urlsplit(str(response.request.url)).path
        assert response.status_code == 404
        assert response.headers["content-type"] == ["text/html; charset=utf-8"]
        assert f"<pre>Cannot {case.method} {path}</pre>" in response.content.decode()
    return None


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    # `ignored_auth` wants to see a wrong token refused, and where there is no list of them none is wrong.
    with MockServer(tokens=TOKEN) as running:
        yield running


@pytest.fixture
def tenant(mock: MockServer, request: pytest.FixtureRequest) -> Iterator[Tenant]:
    with httpx.Client(base_url=mock.url, headers=bearer(TOKEN)) as http:
        yield Tenant(http, request.node.name)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as shared:
        yield shared


Answers = Counter[tuple[bool, int]]
"""How many there were, by whether the request was positive, and by status."""


@pytest.fixture
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    """Count the answers of one test, which shows nothing where it asks for nothing."""
    failed, answers = request.session.testsfailed, Answers()
    yield answers
    if request.session.testsfailed == failed:
        assert answers[True, 200] >= 3
        assert answers[False, 400] + answers[False, 401] >= 3  # how many there are is chance
        assert answers[False, 404] >= 3


def keeps_to_the_document(label: str) -> object:
    """Return a test of one operation.

    Each gets a name of its own: those of one function with several operations have one id, as of pytest 9.2, and
    pytest-xdist would run the first alone.
    """

    @schema.include(name=label).parametrize()
    # A tenant and its answers are of one test.
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test(case: Case, mock: MockServer, tenant: Tenant, session: requests.Session, answers: Answers) -> None:
        drawn = case.path_parameters.get("id")
        audience = None if drawn is None else tenant.created() if label == DELETE else tenant.audience(drawn)
        is_right = make_right(case, audience)

        def what_is_right_is_taken(_context: CheckContext, response: Response, _case: Case) -> bool | None:
            assert response.status_code == 200 or not is_right
            return None

        checks: list[CheckFunction] = [unknown_methods_get_a_page, what_is_right_is_taken]
        answer = case.call_and_validate(mock.url, session, tenant.headers, additional_checks=checks)
        answers[is_right, answer.status_code] += 1

    return test


test_listing_audiences_keeps_to_the_document = keeps_to_the_document(LIST)
test_creating_an_audience_keeps_to_the_document = keeps_to_the_document(CREATE)
test_getting_an_audience_keeps_to_the_document = keeps_to_the_document(GET)
test_deleting_an_audience_keeps_to_the_document = keeps_to_the_document(DELETE)
test_getting_members_keeps_to_the_document = keeps_to_the_document(MEMBERS)
test_adding_members_keeps_to_the_document = keeps_to_the_document(ADD)
test_deleting_members_keeps_to_the_document = keeps_to_the_document(REMOVE)
test_searching_members_keeps_to_the_document = keeps_to_the_document(SEARCH)


def test_the_document_has_no_other_operations() -> None:
    labels = [f"{method.upper()} {path}" for path, methods in given()["paths"].items() for method in methods]
    assert sorted(labels) == sorted((LIST, CREATE, *OF_ONE_AUDIENCE))


def test_our_document_is_the_one_that_is_served(mock: MockServer) -> None:
    assert httpx.get(f"{mock.root_url}/openapi.json").json() == ours()


class Workflow(schema.as_state_machine()):  # type: ignore[misc] # its base is made of the document
    """Requests of which each is about what those before it brought, from the beginning of a tenant on."""

    runs: ClassVar = itertools.count()
    begun: ClassVar[list[dict[str, Any]]]
    mock: ClassVar[MockServer]
    session: ClassVar[requests.Session]
    used: ClassVar[Counter[str]]
    """How many requests about an audience that the same run had created were answered 200, and what else there was."""

    def setup(self) -> None:
        test_id = f"run {next(self.runs)}"
        begun = {"token": TOKEN, "testId": test_id, "audiences": self.begun}
        answer = httpx.put(f"{self.mock.root_url}/__admin/tenants", json=begun).raise_for_status().json()
        self.headers = {"X-Test-Id": test_id}
        self.audiences = {audience.id: audience for audience in Audience.listed(answer["audiences"])}
        self.created: set[str] = set()

    def before_call(self, case: Case) -> None:
        self.is_right = make_right(case, self.audiences.get(case.path_parameters.get("id", "")))
        # Pages and words of schemathesis's own name nobody who could be deleted.
        if self.is_right and case.operation.label == MEMBERS:
            case.query.pop("page", None)
        if self.is_right and case.operation.label == SEARCH:
            case.query = {"query": "555"}

    def get_call_kwargs(self, _case: Case) -> dict[str, Any]:
        return {"base_url": self.mock.url, "session": self.session, "headers": self.headers}

    def validate_response(
        self,
        response: Response,
        case: Case,
        additional_checks: list[CheckFunction] | None = None,
        **kwargs: Any,  # noqa: ANN401 - as it is overridden
    ) -> None:
        super().validate_response(response, case, [*(additional_checks or ()), self.answer_follows], **kwargs)
        label, audience_id = case.operation.label, case.path_parameters.get("id", "")
        if response.status_code == 200:
            self.keep(label, audience_id, response.json()["data"])
        elif response.status_code == 400 and label == DELETE and audience_id in self.audiences:
            self.used["in use"] += 1

    def keep(self, label: str, audience_id: str, data: Any) -> None:  # noqa: ANN401 - any JSON
        if audience_id in self.created:
            self.used[label] += 1
        if label == CREATE:
            self.created.add(data["_id"])
            self.audiences[data["_id"]] = Audience(data["_id"], data["phoneNumberColumnName"])
        elif label == DELETE:
            del self.audiences[audience_id]
        elif label == REMOVE:
            self.used["members deleted"] += data["deletedCount"]

    def answer_follows(self, _context: CheckContext, response: Response, case: Case) -> bool | None:
        """Check the status of a positive request, which what went before leaves only one for."""
        label, audience_id = case.operation.label, case.path_parameters.get("id")
        if not self.is_right:
            return None
        if audience_id is None:
            expected = 200
        elif audience_id in self.audiences:
            expected = 400 if label == DELETE and self.audiences[audience_id].in_use else 200
        else:
            expected = 404 if re.fullmatch("[0-9a-f]{24}", audience_id) else 400
        assert response.status_code == expected
        if label == LIST:
            assert [one["_id"] for one in response.json()["data"]] == list(self.audiences)
        return None


def test_what_is_created_is_there_until_it_is_deleted(mock: MockServer, session: requests.Session) -> None:
    Workflow.mock, Workflow.session, Workflow.used = mock, session, Counter()
    in_use: dict[str, Any] = {"name": "In use", "campaigns": [{"name": "Now"}]}
    for begun in ([], [in_use]):
        Workflow.begun = begun
        Workflow.run(
            settings=settings(
                max_examples=25,
                stateful_step_count=15,
                phases=[Phase.generate],
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
        )
    # It proves nothing where all it sees are 404s.
    assert all(Workflow.used[label] >= 3 for label in (*OF_ONE_AUDIENCE, "members deleted")), Workflow.used
    assert Workflow.used["in use"]
