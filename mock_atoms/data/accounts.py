"""The account of a token: its user, its organisation and the phone numbers of that organisation."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mock_atoms.contract.accounts import AccountDetails, PhoneNumber, PhoneNumberAttributes, User
from mock_atoms.contract.agents import Agent
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.data.generator import Generator, object_id
from mock_atoms.data.models import InitialData
from mock_atoms.data.phone_numbers import PhoneNumbers, phone_country

_FIRST_CREATED = datetime(2023, 12, 18, 10, tzinfo=UTC)
"""Purchase of the first phone number of each token, after its agents and before its audiences."""
_BOUGHT_WITHIN = timedelta(days=14)
_UPDATED_WITHIN = timedelta(days=60)
_ORGANIZATIONS = ("{name} Group", "{name} & Partners", "{name} Services", "{name} Labs")
_NORTH_AMERICAN = ("US", "CA")
_MAX_NUMBERS = 3


class Owner(NamedTuple):
    """Whose data a tenant has.

    Attributes:
        organization: id of the organisation.
        user: id of the user.
    """

    organization: str
    user: str


def find_owner(generator: Generator, token: str, initial_data: InitialData) -> Owner:
    """Return the organisation and the user of all data of `token`: those of its first audience, if it has one."""
    first = initial_data.audiences[0] if initial_data.audiences else {}
    return Owner(
        initial_data.organization or first.get("organization") or generator.organization(token),
        first.get("createdBy") or generator.user(token),
    )


def account_details(generator: Generator, owner: Owner, locale: str) -> AccountDetails:
    """Return the account of the user of `owner`, who owns its organisation."""
    names = generator.names(locale)
    bits, first_index = divmod(generator.random_bits(owner.user, "account"), len(names.first))
    bits, last_index = divmod(bits, len(names.last))
    first, last = names.first[first_index], names.last[last_index]
    mailbox = f"{first.ascii}.{last.ascii}" if first.ascii and last.ascii else f"user-{owner.user[-6:]}"
    organization = _ORGANIZATIONS[generator.random_bits(owner.organization, "name") % len(_ORGANIZATIONS)]
    return {
        "userId": owner.user,
        "email": f"{mailbox}@example.com",
        "firstName": first.text,
        "lastName": last.text,
        "phone": None if bits % 2 else PhoneNumbers(phone_country(locale), bits).number(0),
        "picture": f"https://images.example.com/{owner.user}.png",
        "hasOnboarded": True,
        "organizations": [
            {
                "orgId": owner.organization,
                "name": organization.format(name=last.text),
                "ownerEmail": f"{mailbox}@example.com",
                "roleId": 0,
                "onPremEnabled": False,
            }
        ],
    }


def user(account: AccountDetails) -> User:
    """Return the same user in the form of `GET /user`."""
    return {
        "_id": account["userId"],
        "firstName": account["firstName"],
        "lastName": account["lastName"],
        "userEmail": account["email"],
        "authProvider": "email",
        "isEmailVerified": True,
        "organizationId": account["organizations"][0]["orgId"],
    }


def generated_phone_numbers(generator: Generator, token: str, locale: str, agents: list[Agent]) -> list[PhoneNumber]:
    """Return the phone numbers of `token`, oldest first: at least one. The first agents have one each.

    Args:
        generator: source of all values.
        token: the token.
        locale: faker locale, which determines the country.
        agents: the agents that the token has before any change.
    """
    bits = generator.random_bits(token, "phone numbers")
    country = phone_country(locale)
    numbers = PhoneNumbers(country, bits)
    product_bits = generator.random_bits_by_index(token, "phone number")
    count = 1 + bits % _MAX_NUMBERS
    return [
        _phone_number(
            product_bits(index),
            _FIRST_CREATED + index * _BOUGHT_WITHIN / count,
            country,
            numbers.number(index),
            agents[index]["_id"] if index < len(agents) and index < max(1, count - 1) else None,
        )
        for index in range(count)
    ]


def _phone_number(bits: int, created: datetime, country: str, number: str, agent_id: str | None) -> PhoneNumber:
    attributes: PhoneNumberAttributes = {
        "provider": "plivo" if bits % 3 == 0 else "twilio",
        "phoneNumber": number,
        "countryCode": country,
    }
    if country in _NORTH_AMERICAN:
        attributes["areaCode"] = number[2:5]
    updated = created + _UPDATED_WITHIN * ((bits >> 8) % 1000) / 1000
    return {
        "_id": object_id(created, bits),
        "productType": "telephony",
        "isActive": True,
        "agentId": agent_id,
        "attributes": attributes,
        "createdAt": format_timestamp(created),
        "updatedAt": format_timestamp(updated),
    }
