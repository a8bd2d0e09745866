"""The account of one tenant."""

from mock_atoms.contract.accounts import AccountDetails, PhoneNumber
from mock_atoms.data.accounts import account_details, generated_phone_numbers
from mock_atoms.data.agents import generated_agents
from mock_atoms.state.tenant_data import TenantData


class AccountRepository:
    """The account of one tenant, which no operation changes.

    Args:
        data: the tenant's data.
    """

    def __init__(self, data: TenantData) -> None:
        self._data = data

    def details(self) -> AccountDetails:
        """Return the account. Its user and organisation are those of the audiences."""
        return account_details(self._data.generator, self._data.owner, self._data.fixtures.locale)

    def phone_numbers(self) -> list[PhoneNumber]:
        """Return the phone numbers, at least one."""
        generator, token = self._data.generator, self._data.caller.token
        return generated_phone_numbers(generator, token, self._data.fixtures.locale, generated_agents(generator, token))
