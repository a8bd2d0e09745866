"""The audience operations against an OpenAPI document: schemathesis sends valid and invalid requests."""

import copy
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Self

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import CheckContext, CheckFunction, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import UseAfterFree

from mock_atoms import MockServer
from tests.contract.conformance import CONFIG, TOKEN, StatusCounts, contract_document, ours, unknown_methods_get_a_page
from tests.helpers.audiences import bearer

pytestmark = pytest.mark.slow

Case = schemathesis.Case[Any]
DOCUMENTED_ID = "60d0fe4f5311236168a109ca"
"""The example in the document, an audience of another token."""
LIST, CREATE, GET, DELETE = "GET /audience", "POST /audience", "GET /audience/{id}", "DELETE /audience/{id}"
MEMBERS, ADD, REMOVE = "GET /audience/{id}/members", "POST /audience/{id}/members", "DELETE /audience/{id}/members"
SEARCH = "GET /audience/{id}/members/search"
OF_ONE_AUDIENCE = (GET, DELETE, MEMBERS, ADD, REMOVE, SEARCH)


def with_links(document: dict[str, Any]) -> dict[str, Any]:
    """Return `document` with links, so that the ids of one response are used in the next request."""
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


schema = schemathesis.openapi.from_dict(
    with_links(contract_document("audience", "/audience")), config=SchemathesisConfig.from_dict(CONFIG)
)


@schema.hook("filter_failure")
def is_failure(_context: HookContext, failure: Failure, _case: Case, _response: Response) -> bool:
    # `use_after_free` takes a DELETE of some members for a DELETE of everything below its path.
    return not (isinstance(failure, UseAfterFree) and failure.operation == REMOVE)


class Audience(NamedTuple):
    id: str
    column: str
    in_use: bool = False

    @classmethod
    def listed(cls, audiences: list[dict[str, Any]]) -> list[Self]:
        return [cls(one["_id"], one["phoneNumberColumnName"], one["hasCampaigns"]) for one in audiences]


class Tenant:
    """The tenant of one test, with its own client that creates audiences for requests."""

    def __init__(self, http: httpx.Client, test_id: str) -> None:
        self.headers = {"X-Test-Id": test_id}
        self._http = http
        self._http.headers.update(self.headers)
        self._initial_audiences = Audience.listed(http.get("/audience").raise_for_status().json()["data"])

    def created(self) -> Audience:
        column = "phoneNumber"
        form = {"name": "Made for one request", "phoneNumberColumnName": column}
        response = self._http.post("/audience", data=form, files={"file": csv_file(column)}).raise_for_status()
        return Audience(response.json()["data"]["_id"], column)

    def audience(self, drawn: str) -> Audience:
        """Return an audience for an invented id; equal ids get the same kind of audience."""
        kinds = [None, *self._initial_audiences]
        return kinds[sum(drawn.encode()) % len(kinds)] or self.created()


def phone_number(index: int) -> str:
    return f"+1{212 + index // 100}55501{index % 100:02}"


def csv_file(column: str, *others: str) -> str:
    """Return a file of five members with these columns."""
    columns = list(dict.fromkeys((column, *others)))
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(columns)
    rows.writerows([phone_number(index), *(f"{name}\n{index}" for name in columns[1:])] for index in range(5))
    return file.getvalue()


def valid_name(drawn: str, default: str) -> str:
    """Return `drawn` if it is a valid name of an audience or CSV column, otherwise `default`."""
    return drawn if drawn.isprintable() and drawn.strip() else default


def make_valid(case: Case, audience: Audience | None) -> bool:
    """Make the positive parts of a request valid for the API; both documents allow more. Negative parts stay.

    Args:
        case: the next request.
        audience: the audience to request; `None` keeps the one of `case`.

    Returns:
        Whether the request is valid. Schemathesis itself takes a search by column for an error: the documents call that
        parameter `*`.
    """
    meta = case.meta
    assert meta is not None
    is_valid = meta.generation.mode.is_positive
    label, column = case.operation.label, audience.column if audience else "phoneNumber"
    # The document has no headers such as Content-Length and Prefer, but HTTP and the mock do.
    for name in [name for name in case.headers if name.lower() not in ("authorization", "content-type")]:
        del case.headers[name]
    if audience:
        case.path_parameters = {"id": audience.id}
    if not meta.is_negative_at(ParameterLocation.QUERY):
        if label == MEMBERS:
            # Python limits the length of numbers.
            case.query = {name: str(number)[:1000] for name, number in case.query.items()}
        if label == SEARCH:
            # Exactly one kind of search.
            query, term = case.query.get("query"), case.query.get("*")
            case.query = {"query": query} if query else {column: term or "555"}
    body: Any = case.body
    if isinstance(body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        if label == CREATE:
            names = {"name": "Spring", "phoneNumberColumnName": column, "identifierColumnName": "name"}
            # A form cannot have empty names, or names with control characters.
            body = {name: text for name, text in body.items() if name and name.isprintable()}
            form = body | {key: valid_name(body[key], default) for key, default in names.items() if key in body}
            columns = [form[key] for key in ("phoneNumberColumnName", "identifierColumnName") if key in form]
            case.body = form | {"file": csv_file(*columns, "note")}
        if label == ADD:
            # The first ones are also in a `csv_file`, and are skipped.
            members = [{**member, column: phone_number(3 + index)} for index, member in enumerate(body["members"])]
            case.body = body | {"members": members}
    return is_valid


@pytest.fixture
def tenant(mock: MockServer, request: pytest.FixtureRequest) -> Iterator[Tenant]:
    with httpx.Client(base_url=mock.url, headers=bearer(TOKEN)) as http:
        yield Tenant(http, request.node.name)


def conforms(label: str) -> object:
    """Return a test of one operation.

    Each needs a separate name: as of pytest 9.2, tests of one function with several operations share an id, and
    pytest-xdist would run only the first.
    """

    @schema.include(name=label).parametrize()
    # A tenant and its counts belong to one test.
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test(case: Case, mock: MockServer, tenant: Tenant, session: requests.Session, statuses: StatusCounts) -> None:
        drawn = case.path_parameters.get("id")
        audience = None if drawn is None else tenant.created() if label == DELETE else tenant.audience(drawn)
        is_valid = make_valid(case, audience)

        def valid_requests_succeed(_context: CheckContext, response: Response, _case: Case) -> bool | None:
            assert response.status_code == 200 or not is_valid
            return None

        checks: list[CheckFunction] = [unknown_methods_get_a_page, valid_requests_succeed]
        response = case.call_and_validate(mock.url, session, tenant.headers, additional_checks=checks)
        statuses[is_valid, response.status_code] += 1

    return test


test_listing_audiences_conforms_to_the_document = conforms(LIST)
test_creating_an_audience_conforms_to_the_document = conforms(CREATE)
test_getting_an_audience_conforms_to_the_document = conforms(GET)
test_deleting_an_audience_conforms_to_the_document = conforms(DELETE)
test_getting_members_conforms_to_the_document = conforms(MEMBERS)
test_adding_members_conforms_to_the_document = conforms(ADD)
test_deleting_members_conforms_to_the_document = conforms(REMOVE)
test_searching_members_conforms_to_the_document = conforms(SEARCH)


def test_the_document_has_no_other_operations() -> None:
    labels = [
        f"{method.upper()} {path}"
        for path, methods in contract_document("audience", "/audience")["paths"].items()
        for method in methods
    ]
    assert sorted(labels) == sorted((LIST, CREATE, *OF_ONE_AUDIENCE))


def test_our_document_is_served(mock: MockServer) -> None:
    assert httpx.get(f"{mock.root_url}/openapi.json", timeout=60).json() == ours()


class Workflow(schema.as_state_machine()):  # type: ignore[misc] # its base is built from the document
    """Sequences of requests that use the results of earlier requests, for a new tenant each."""

    runs: ClassVar = itertools.count()
    initial_audiences: ClassVar[list[dict[str, Any]]]
    mock: ClassVar[MockServer]
    session: ClassVar[requests.Session]
    counts: ClassVar[Counter[str]]
    """Successful requests for audiences that the same run created, and other events."""

    def setup(self) -> None:
        test_id = f"run {next(self.runs)}"
        initial_audiences = {"token": TOKEN, "testId": test_id, "audiences": self.initial_audiences}
        response = httpx.put(f"{self.mock.root_url}/__admin/tenants", json=initial_audiences).raise_for_status().json()
        self.headers = {"X-Test-Id": test_id}
        self.audiences = {audience.id: audience for audience in Audience.listed(response["audiences"])}
        self.created: set[str] = set()

    def before_call(self, case: Case) -> None:
        self.is_valid = make_valid(case, self.audiences.get(case.path_parameters.get("id", "")))
        # Invented pages and words would find no member to delete.
        if self.is_valid and case.operation.label == MEMBERS:
            case.query.pop("page", None)
        if self.is_valid and case.operation.label == SEARCH:
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
        super().validate_response(response, case, [*(additional_checks or ()), self.check_status], **kwargs)
        label, audience_id = case.operation.label, case.path_parameters.get("id", "")
        if response.status_code == 200:
            self.keep(label, audience_id, response.json()["data"])
        elif response.status_code == 400 and label == DELETE and audience_id in self.audiences:
            self.counts["in use"] += 1

    def keep(self, label: str, audience_id: str, data: Any) -> None:  # noqa: ANN401 - any JSON
        if audience_id in self.created:
            self.counts[label] += 1
        if label == CREATE:
            self.created.add(data["_id"])
            self.audiences[data["_id"]] = Audience(data["_id"], data["phoneNumberColumnName"])
        elif label == DELETE:
            del self.audiences[audience_id]
        elif label == REMOVE:
            self.counts["members deleted"] += data["deletedCount"]

    def check_status(self, _context: CheckContext, response: Response, case: Case) -> bool | None:
        """Check the status of a positive request; earlier requests leave only one."""
        label, audience_id = case.operation.label, case.path_parameters.get("id")
        if not self.is_valid:
            return None
        if audience_id is None:
            expected = 200
        elif audience_id in self.audiences:
            expected = 400 if label == DELETE and self.audiences[audience_id].in_use else 200
        elif label == MEMBERS and audience_id == DOCUMENTED_ID:
            expected = 403
        else:
            expected = 404 if re.fullmatch("[0-9a-f]{24}", audience_id) else 400
        assert response.status_code == expected
        if label == LIST:
            assert [one["_id"] for one in response.json()["data"]] == list(self.audiences)
        return None


def test_a_created_audience_exists_until_it_is_deleted(mock: MockServer, session: requests.Session) -> None:
    Workflow.mock, Workflow.session, Workflow.counts = mock, session, Counter()
    in_use: dict[str, Any] = {"name": "In use", "campaigns": [{"name": "Now"}]}
    for initial_audiences in ([], [in_use]):
        Workflow.initial_audiences = initial_audiences
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
    # Runs with nothing but 404s would prove nothing.
    assert all(Workflow.counts[label] >= 3 for label in (*OF_ONE_AUDIENCE, "members deleted")), Workflow.counts
    assert Workflow.counts["in use"]
