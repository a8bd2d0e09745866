"""The vendor's operations on the account of the caller: its details, its user, its phone numbers."""

from fastapi import Request, Response

from mock_atoms.api.router import COMMON_ERRORS, CurrentCaller, VendorJsonResponse, VendorRouter, success
from mock_atoms.contract.accounts import NO_PHONE_NUMBERS_IN_PLAN, AccountDetails, PhoneNumber, User
from mock_atoms.contract.errors import bad_request
from mock_atoms.contract.operations import GET_ACCOUNT_DETAILS, GET_USER, LIST_PHONE_NUMBERS
from mock_atoms.data.accounts import user
from mock_atoms.data.personas import has_campaigns_in_plan
from mock_atoms.state.accounts import AccountRepository
from mock_atoms.state.repositories import Repositories


def account_routes(repositories: Repositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that serve the accounts of the callers."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        GET_ACCOUNT_DETAILS,
        summary="Get account details",
        description="Get the user of the caller, and its organisations. The response has no envelope.",
        response_description="The account",
        data=AccountDetails,
        errors={401: {"description": "Missing or invalid API key"}},
        has_envelope=False,
    )
    async def get_account_details(_request: Request, caller: CurrentCaller) -> Response:
        return VendorJsonResponse(await repositories.read(caller, lambda data: AccountRepository(data).details()))

    @routes.operation(
        GET_USER,
        summary="Get user details",
        description="Get the user of the caller.",
        response_description="The user",
        data=User,
        errors=COMMON_ERRORS,
    )
    async def get_user(_request: Request, caller: CurrentCaller) -> Response:
        return success(user(await repositories.read(caller, lambda data: AccountRepository(data).details())))

    @routes.operation(
        LIST_PHONE_NUMBERS,
        summary="Get acquired phone numbers",
        description="Get all phone numbers that the organisation has bought, without paging.",
        response_description="The phone numbers",
        data=list[PhoneNumber],
        errors=COMMON_ERRORS,
    )
    async def list_phone_numbers(_request: Request, caller: CurrentCaller) -> Response:
        if not has_campaigns_in_plan(caller.token):
            raise bad_request(NO_PHONE_NUMBERS_IN_PLAN)
        return success(await repositories.read(caller, lambda data: AccountRepository(data).phone_numbers()))

    return routes
