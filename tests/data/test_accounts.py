import pytest

from mock_atoms.contract.accounts import PhoneNumber
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.accounts import Owner, account_details, find_owner, generated_phone_numbers, user
from mock_atoms.data.agents import generated_agents
from mock_atoms.data.fixtures import DOCUMENTED_TOKEN, Fixtures
from mock_atoms.data.generator import Generator, GeneratorOptions
from mock_atoms.data.models import InitialData

TOKENS = [f"sk_team_{number}" for number in range(40)]
ORGANIZATION, USER = "60d0fe4f5311236168a109ca", "60d0fe4f5311236168a109cb"


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator("atoms")


def phone_numbers(generator: Generator, token: str, locale: str = "en_US") -> list[PhoneNumber]:
    return generated_phone_numbers(generator, token, locale, generated_agents(generator, token))


def test_the_owner_is_that_of_the_audiences(generator: Generator) -> None:
    initial_data = InitialData(generator.audiences("sk_acme", GeneratorOptions("en_US")))
    first = initial_data.audiences[0]
    assert find_owner(generator, "sk_acme", initial_data) == (first["organization"], first["createdBy"])


def test_an_organization_of_the_initial_data_wins(generator: Generator) -> None:
    initial_data = InitialData([{"organization": USER, "createdBy": USER}], ORGANIZATION)
    assert find_owner(generator, "sk_acme", initial_data) == (ORGANIZATION, USER)


def test_a_token_without_audiences_has_an_owner(generator: Generator) -> None:
    owner = find_owner(generator, "sk_acme", InitialData([]))
    assert owner == (generator.organization("sk_acme"), generator.user("sk_acme"))


def test_the_documented_token_has_the_documented_owner(generator: Generator) -> None:
    initial_data = Fixtures(generator, "en_US").initial_data(caller_for(DOCUMENTED_TOKEN))
    owner = find_owner(generator, DOCUMENTED_TOKEN, initial_data)
    assert owner == (initial_data.audiences[0]["organization"], initial_data.audiences[0]["createdBy"])


@pytest.mark.parametrize(("locale", "has_letters"), [("en_US", True), ("ja_JP", False)])
def test_an_account_belongs_to_its_owner(generator: Generator, locale: str, *, has_letters: bool) -> None:
    account = account_details(generator, Owner(ORGANIZATION, USER), locale)
    assert account["userId"] == USER
    (organization,) = account["organizations"]
    assert (organization["orgId"], organization["ownerEmail"]) == (ORGANIZATION, account["email"])
    assert account["email"].endswith("@example.com")
    assert account["email"].startswith("user-a109cb") != has_letters
    assert organization["name"].startswith(account["lastName"])
    assert user(account) == {
        "_id": USER,
        "firstName": account["firstName"],
        "lastName": account["lastName"],
        "userEmail": account["email"],
        "authProvider": "email",
        "isEmailVerified": True,
        "organizationId": ORGANIZATION,
    }


def test_some_accounts_have_a_phone_number(generator: Generator) -> None:
    accounts = [account_details(generator, Owner(ORGANIZATION, f"{number:024x}"), "en_US") for number in range(40)]
    phones = [account["phone"] for account in accounts if account["phone"] is not None]
    assert 0 < len(phones) < len(accounts)
    assert all(phone.startswith("+1") and phone[5:10] == "55501" for phone in phones)


def test_phone_numbers_belong_to_agents_of_the_token(generator: Generator) -> None:
    counts = set()
    for token in TOKENS:
        numbers = phone_numbers(generator, token)
        counts.add(len(numbers))
        agents = [agent["_id"] for agent in generated_agents(generator, token)]
        assert numbers[0]["agentId"] == agents[0]
        assert all(number["agentId"] in {*agents, None} for number in numbers)
        assert all(number["createdAt"] <= number["updatedAt"] for number in numbers)
    assert counts == {1, 2, 3}


def test_phone_numbers_are_fictional_numbers_of_the_country(generator: Generator) -> None:
    for number in phone_numbers(generator, "sk_acme"):
        attributes = number["attributes"]
        assert attributes["countryCode"] == "US"
        assert attributes["phoneNumber"].startswith(f"+1{attributes['areaCode']}55501")
    for number in phone_numbers(generator, "sk_acme", "de_DE"):
        assert number["attributes"]["countryCode"] == "DE"
        assert number["attributes"]["phoneNumber"].startswith("+49")
        assert "areaCode" not in number["attributes"]
