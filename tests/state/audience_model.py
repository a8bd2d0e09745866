"""A model of the audiences of a mock, and a driver that calls a mock in this process."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mock_atoms import Settings, create_app
from mock_atoms.mock import MockAtoms
from tests.helpers.audiences import bearer

LIST_ONLY = ("memberCount", "hasCampaigns", "campaigns")
"""Keys that only the list of audiences has."""
START = datetime(2025, 6, 30, 23, 59, 40, tzinfo=UTC)
TICK = timedelta(milliseconds=40)
"""So short that one run takes a second or two of mock time: most new ids differ only in their counters."""
SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Tenant(NamedTuple):
    token: str
    test_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token, self.test_id)

    @property
    def as_json(self) -> dict[str, str]:
        """The tenant as the control API expects it."""
        return {"token": self.token} | ({} if self.test_id is None else {"testId": self.test_id})


ALICE, ALICES_TEST, BOB = Tenant("sk_alice"), Tenant("sk_alice", "t"), Tenant("sk_bob")
TENANTS = (ALICE, ALICES_TEST, BOB)
FIXTURES: dict[str, dict[str, Any]] = {
    "alice.json": {
        "tokens": [ALICE.token],
        "generate": {"audiences": 2, "members": {"min": 4, "max": 12}, "withCampaigns": 0.8},
    },
    "bob.json": {
        "tokens": [BOB.token],
        "organization": "60d0fe4f5311236168a109cb",
        "audiences": [
            {
                # Updated later than the clock of the test: a change must not make that earlier.
                "name": "Of years to come",
                "createdAt": "2025-01-15T10:30:00.000Z",
                "updatedAt": "2030-01-01T00:00:00.000Z",
                "memberCount": 7,
                "locale": "de_DE",
                "hasCampaigns": True,
                "campaigns": [{"_id": "70e1af5b8a3c4d2f9b7e1234", "name": "Old", "status": "active"}],
            },
            {
                "_id": "60d0fe4f5311236168a109ca",
                "phoneNumberColumnName": "contact number",
                "memberCount": 9,
                "omit": ["updatedAt", "description"],
            },
            {"name": "No members", "memberCount": 0},
            {
                "name": "Listed",
                "phoneNumberColumnName": "tel",
                "members": [
                    {"tel": f"+1999555020{number}", "name": f"Ada {number}", "tags": [number, None]}
                    for number in range(6)
                ],
            },
        ],
    },
}

NEW_NUMBERS = ["5550100", "123456789012345", *(f"1999555010{digit}" for digit in range(4))]
# From the ranges of generated numbers in three countries; no generated member here has them.
NEW_NUMBERS += ["14155550123", "493023125001", "46846500401"]
INVALID_NUMBERS = [
    "",
    "+",
    "abc",
    "555010",
    "1234567890123456",
    "05550100",
    "+1 415 555 0100",
    "415-555-0100",
    "++5550100",
]
WORDS = st.sampled_from(["Ada", "ada lovelace", "Żółć", "=1+1", '"quoted", <b>', "a\nb", "", "0100"])
UNKNOWN_ID = "000000000000000000000000"
"""An id that nothing has."""
MALFORMED_IDS = ["audience", "60d0fe4f5311236168a109c", "60d0fe4f5311236168a109cag", "60d0fe4f5311236168a109cg"]


def format_timestamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def digits(number: str) -> str:
    return number.removeprefix("+")


def csv_bytes(columns: list[str], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)
    return text.getvalue().encode()


def success_data(response: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    """Return the data of a success."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {"status", "data"}
    assert body["status"] is True
    return body["data"]


def error_messages(response: httpx.Response, status: int) -> list[str]:
    """Return the messages of an error."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"status", "errors"}
    assert body["status"] is False
    assert body["errors"]
    return list(body["errors"])


def text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def has(value: object, term: str) -> bool:
    return term.lower() in text_of(value).lower()


@dataclass
class AudienceModel:
    """An audience of the model.

    Attributes:
        fields: the audience as the list shows it, except its member count.
        members: its members in order.
        deleted_numbers: phone numbers of deleted members.
        deleted_ids: ids of deleted members.
    """

    fields: dict[str, Any]
    members: list[dict[str, Any]]
    deleted_numbers: list[str] = field(default_factory=list)
    deleted_ids: list[str] = field(default_factory=list)

    @property
    def column(self) -> str:
        return str(self.fields["phoneNumberColumnName"])

    @property
    def numbers(self) -> list[str]:
        return [member["data"][self.column] for member in self.members]

    @property
    def listed(self) -> dict[str, Any]:
        return {**self.fields, "memberCount": len(self.members)}

    def mark_updated(self, now: datetime) -> None:
        """Set the update time to `now`, unless it is later already."""
        if "updatedAt" in self.fields:
            self.fields["updatedAt"] = max(self.fields["updatedAt"], format_timestamp(now))

    def search(self, query: str) -> list[dict[str, Any]]:
        return [member for member in self.members if any(has(value, query) for value in member["data"].values())]


AudienceModels = dict[str, AudienceModel]
"""The audiences of one tenant by id, in the order of the list."""


class MockDriver:
    """Calls a mock in this process whose clock the test controls.

    Args:
        fixtures: folder of the fixture files.
    """

    def __init__(self, fixtures: Path) -> None:
        self.now = START
        mock = MockAtoms(Settings(fixtures=fixtures, journal_size=10), now=lambda: self.now)
        self._app = create_app(mock=mock)
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._app), base_url="http://127.0.0.1/atoms/v1", timeout=None
        )
        self.initial_data = {tenant: self.read_audiences(tenant) for tenant in TENANTS}

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    def send(self, tenant: Tenant, method: str, path: str = "", **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx has their types
        """Call the API; `path` is below `/audience`."""
        return self.call(tenant, method, f"/audience{path}", **request)

    def call(self, tenant: Tenant, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - as above
        """Call the API."""
        return self._runner.run(self._http.request(method, path, headers=tenant.headers, **request))

    def control(self, method: str, path: str, content: object = None, status: int = 200) -> Any:  # noqa: ANN401 - any JSON
        """Call the control API, and expect a status."""
        response = self._runner.run(self._http.request(method, f"http://127.0.0.1/__admin{path}", json=content))
        assert response.status_code == status, response.text
        return response.json()

    def members(self, tenant: Tenant, audience_id: str, size: int) -> Iterator[dict[str, Any]]:
        """Yield all members, read in pages of `size`."""
        read = 0
        for number in count(1):
            page = success_data(
                self.send(tenant, "GET", f"/{audience_id}/members", params={"page": number, "offset": size})
            )
            yield from page["members"]
            read += len(page["members"])
            if not page["hasMore"]:
                assert read == page["totalCount"]
                return

    def read_audiences(self, tenant: Tenant) -> AudienceModels:
        """Return the audiences of `tenant` that the API returns."""
        return {
            fields["_id"]: AudienceModel(fields, list(self.members(tenant, fields["_id"], 5)))
            for fields in success_data(self.send(tenant, "GET"))
        }
