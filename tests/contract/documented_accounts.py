"""The documented operations and schemas of accounts and agents (D), to compare the served document with."""

from typing import Any

from mock_atoms.contract.new_agent import NewAgent
from mock_atoms.contract.schemas import request_schema
from tests.contract.documented import BAD_REQUEST, FLAG, ID, TEXT, TIME, ref, response, shape, without_prose

NULLABLE = {"type": ["string", "null"]}
EMAIL = {"type": "string", "format": "email"}
ON = {"name": "on", "in": "query", "required": False, "schema": {"type": "boolean", "default": True}}
UNAUTHORIZED = response("UnauthorizedErrorResponse")
SERVER_ERROR = response("InternalServerErrorResponse")
FORBIDDEN = response("ApiResponse")
# `.ci/compare_contract.py` compares the request of an agent with the vendor's document, field by field.
NEW_AGENT = without_prose(request_schema(NewAgent))

OPERATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "/account/get-account-details": {
        "get": {
            "operationId": "get-account-details",
            "summary": "Get account details",
            "tags": ["subpackage_account"],
            "responses": {"200": response("Account_getAccountDetails_Response_200"), "401": {}},
        }
    },
    "/user": {
        "get": {
            "operationId": "get-user-details",
            "summary": "Get user details",
            "tags": ["subpackage_user"],
            "responses": {
                "200": response("User_getUserDetails_Response_200"),
                "401": UNAUTHORIZED,
                "500": SERVER_ERROR,
            },
        }
    },
    "/product/phone-numbers": {
        "get": {
            "operationId": "get-acquired-phone-numbers",
            "summary": "Get acquired phone numbers",
            "tags": ["subpackage_phone_numbers"],
            "responses": {
                "200": response("Phone_numbers_getAcquiredPhoneNumbers_Response_200"),
                "401": UNAUTHORIZED,
                "500": SERVER_ERROR,
            },
        }
    },
    "/agent": {
        "post": {
            "operationId": "create-agent",
            "summary": "Create a new agent",
            "tags": ["subpackage_agents"],
            "requestBody": {"required": True, "content": {"application/json": {"schema": NEW_AGENT}}},
            "responses": {
                "201": response("Agents_createAgent_Response_201"),
                "400": BAD_REQUEST,
                "401": UNAUTHORIZED,
                "403": FORBIDDEN,
                "500": SERVER_ERROR,
            },
        }
    },
    "/agent/{id}/archive": {
        "delete": {
            "operationId": "archive-agent",
            "summary": "Archive or unarchive an agent",
            "tags": ["subpackage_agents"],
            "parameters": [ID, ON],
            "responses": {
                "200": response("Agents_archiveAgent_Response_200"),
                "400": BAD_REQUEST,
                "401": UNAUTHORIZED,
                "403": FORBIDDEN,
                "404": {},
                "409": {},
                "500": SERVER_ERROR,
            },
        }
    },
}

ORGANIZATION = "AccountGetAccountDetailsGetResponsesContentApplicationJsonSchemaOrganizationsItems"
USER = "UserGetResponsesContentApplicationJsonSchemaData"
NUMBER = "ProductPhoneNumbersGetResponsesContentApplicationJsonSchemaDataItems"
ARCHIVED = "AgentIdArchiveDeleteResponsesContentApplicationJsonSchemaData"

SCHEMAS: dict[str, dict[str, Any]] = {
    ORGANIZATION: shape(orgId=TEXT, name=TEXT, ownerEmail=EMAIL, roleId={"type": "integer"}, onPremEnabled=FLAG),
    "Account_getAccountDetails_Response_200": shape(
        userId=TEXT,
        email=EMAIL,
        firstName=TEXT,
        lastName=TEXT,
        phone=NULLABLE,
        picture=TEXT,
        hasOnboarded=FLAG,
        organizations={"type": "array", "items": ref(ORGANIZATION)},
    ),
    USER: shape(
        _id=TEXT,
        firstName=TEXT,
        lastName=TEXT,
        userEmail=TEXT,
        authProvider=TEXT,
        isEmailVerified=FLAG,
        organizationId=TEXT,
    ),
    "User_getUserDetails_Response_200": shape(status=FLAG, data=ref(USER)),
    f"{NUMBER}Attributes": shape(
        provider=TEXT | {"enum": ["twilio", "plivo"]},
        phoneNumber=TEXT,
        countryCode=TEXT,
        areaCode=TEXT,
        complianceApplicationId=TEXT,
    ),
    NUMBER: shape(
        _id=TEXT,
        productType=TEXT | {"enum": ["telephony"]},
        isActive=FLAG,
        agentId=NULLABLE,
        attributes=ref(f"{NUMBER}Attributes"),
        createdAt=TIME,
        updatedAt=TIME,
    ),
    "Phone_numbers_getAcquiredPhoneNumbers_Response_200": shape(
        status=FLAG, data={"type": "array", "items": ref(NUMBER)}
    ),
    "Agents_createAgent_Response_201": shape(status=FLAG, data=TEXT),
    ARCHIVED: shape(message=TEXT | {"enum": ["Agent archived", "Agent unarchived"]}),
    "Agents_archiveAgent_Response_200": shape(status=FLAG, data=ref(ARCHIVED)),
    "ApiResponse": shape(status=FLAG, data={"type": "object"}),
}
