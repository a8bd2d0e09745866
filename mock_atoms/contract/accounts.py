"""The vendor's accounts: details of the caller, and the phone numbers of its organisation (D)."""

from typing import Annotated, Literal

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.contract.schemas import ObjectId, Timestamp, documented_as

_Email = Annotated[str, WithJsonSchema({"type": "string", "format": "email"})]
_NullableText = Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})]
NO_PHONE_NUMBERS_IN_PLAN = "Phone numbers are not available in your current plan. Please upgrade."
"""400 of `GET /product/phone-numbers` (K)."""


@documented_as("AccountGetAccountDetailsGetResponsesContentApplicationJsonSchemaOrganizationsItems")
class Membership(TypedDict, total=False):
    """An organisation of the caller (D)."""

    orgId: ObjectId
    name: str
    ownerEmail: _Email
    roleId: int
    onPremEnabled: bool


@documented_as("Account_getAccountDetails_Response_200")
class AccountDetails(TypedDict, total=False):
    """Response of `GET /account/get-account-details`, which has no envelope (D)."""

    userId: ObjectId
    email: _Email
    firstName: str
    lastName: str
    phone: _NullableText
    picture: str
    hasOnboarded: bool
    organizations: list[Membership]


@documented_as("UserGetResponsesContentApplicationJsonSchemaData")
class User(TypedDict, total=False):
    """The caller in the response of `GET /user` (D, L)."""

    _id: ObjectId
    firstName: str
    lastName: str
    userEmail: str
    authProvider: str
    isEmailVerified: bool
    organizationId: ObjectId


@documented_as("ProductPhoneNumbersGetResponsesContentApplicationJsonSchemaDataItemsAttributes")
class PhoneNumberAttributes(TypedDict, total=False):
    """A phone number at its provider (D)."""

    provider: Literal["twilio", "plivo"]
    phoneNumber: str
    countryCode: str
    areaCode: str
    complianceApplicationId: str


@documented_as("ProductPhoneNumbersGetResponsesContentApplicationJsonSchemaDataItems")
class PhoneNumber(TypedDict, total=False):
    """A phone number of an organisation (D)."""

    _id: ObjectId
    productType: Annotated[Literal["telephony"], WithJsonSchema({"type": "string", "enum": ["telephony"]})]
    isActive: bool
    agentId: Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})]
    attributes: PhoneNumberAttributes
    createdAt: Timestamp
    updatedAt: Timestamp
