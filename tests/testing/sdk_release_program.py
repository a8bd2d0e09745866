"""Lives the life of an audience with any release of the SDK since 4.3.2, and prints what it saw as JSON.

usage: python sdk_release_program.py URL TOKEN, with a running mock at URL
"""

import json
import sys
from importlib.metadata import version
from typing import Any

from smallestai import SmallestAI
from smallestai.atoms.helpers import Audience
from smallestai.core.api_error import ApiError

from mock_atoms import MockClient

CSV = ("contacts.csv", "phoneNumber,name\n+14155550100,Ada\n+14155550101,Grace\n", "text/csv")


def method(group: object, *names: str) -> Any:  # noqa: ANN401 - any method
    """Return the method that has one of these names, in the order of releases."""
    return next(getattr(group, name) for name in names if hasattr(group, name))


def live(client: SmallestAI) -> dict[str, Any]:
    """Create, read, change and delete an audience."""
    audiences = client.atoms.audience
    list_all = method(audiences, "get_all_audiences", "list")
    get = method(audiences, "get_audience_by_id", "get")
    before = len(list_all().data)
    created = audiences.create_audience_with_csv_upload(
        name="Pioneers", phone_number_column_name="phoneNumber", identifier_column_name="name", file=CSV
    ).data
    assert created is not None
    audience_id = str(created.id)
    added = audiences.add_audience_members(audience_id, members=[{"phoneNumber": "+14155550102"}]).data
    members = audiences.get_audience_members(audience_id).data
    found = audiences.search_audience_members(audience_id, query="grace").data
    assert added
    assert added[0].data
    assert members
    assert found
    deleted = audiences.delete_audience_members(audience_id, member_ids=[str(found.members[0].id)]).data
    seen = {
        "name": get(audience_id).data.name,
        "added": added[0].data.added,
        "members": members.total_count,
        "deleted": deleted.deleted_count if deleted else None,
        "new audiences": len(list_all().data) - before,
    }
    audiences.delete_audience(audience_id)
    try:
        get(audience_id)
    except ApiError as error:
        seen["status after deletion"] = error.status_code
    return seen


def use_account(client: SmallestAI) -> dict[str, Any]:
    """Read the phone numbers, create an agent and archive it."""
    atoms = client.atoms
    numbers = method(atoms.phone_numbers, "get_acquired_phone_numbers", "list")().data
    agent_id = method(atoms.agents, "create_a_new_agent", "create_agent")(name="Caller").data
    archive = method(atoms.agents, "archive_agent", "delete_agent", "delete_an_agent")
    seen = {"phone number": numbers[0].attributes.phone_number[:2], "agent": len(agent_id)}
    try:
        seen["archived"] = archive(agent_id).data.message
    except ApiError as error:
        seen["archived"] = error.status_code
    return seen


def main() -> None:
    """Live twice, with an own environment and without any argument, and use the helper without any argument."""
    url, token = sys.argv[1:]
    mock = MockClient(url, token=token)
    key: dict[str, Any] = {
        name: token for name in ("api_key", "token") if name in (SmallestAI.__init__.__kwdefaults__ or {})
    }
    own = live(SmallestAI(**key, environment=mock.sdk_environment()))
    with mock.redirect_sdk():
        bare = live(SmallestAI())
        account = use_account(SmallestAI())
        is_helped = Audience().list()["status"]
    seen = {"version": version("smallestai"), "own": own, "bare": bare, "account": account, "helper": is_helped}
    print(json.dumps(seen))  # noqa: T201 - a program


main()
