"""The documented operations and schemas (S, D), written by hand, to compare the served document with."""

from typing import Any

TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
TIME = {"type": "string", "format": "date-time"}
WHOLE = {"type": "integer"}

CAMPAIGN_NAME = "AudienceGetResponsesContentApplicationJsonSchemaDataItemsCampaignsItems"
AUDIENCE_NAME = "AudienceGetResponsesContentApplicationJsonSchemaDataItems"
LIST_NAME = "Audience_getAllAudiences_Response_200"


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def response(name: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": ref(name)}}}


def shape(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def without_prose(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Drop descriptions and titles, whose wording may differ; properties of those names stay."""
    if isinstance(document, list):
        return [without_prose(item) for item in document]
    if isinstance(document, dict):
        return {
            key: {name: without_prose(schema) for name, schema in value.items()}
            if key == "properties"
            else without_prose(value)
            for key, value in document.items()
            if key not in ("description", "title")
        }
    return document


ERROR = shape(status=FLAG, errors={"type": "array", "items": TEXT})

BAD_REQUEST = response("BadRequestErrorResponse")
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "example": "60d0fe4f5311236168a109ca"}}


def operation(name: str, summary: str, success: str, errors: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["subpackage_audience"],
        **more,
        "responses": {
            "200": response(success),
            "401": response("UnauthorizedErrorResponse"),
            "500": response("InternalServerErrorResponse"),
            **errors,
        },
    }


def number(name: str, default: int) -> dict[str, object]:
    schema = {"type": "integer", "minimum": 1, "default": default}
    return {"name": name, "in": "query", "required": False, "schema": schema}


def body(media_type: str, required: list[str], properties: dict[str, object]) -> dict[str, object]:
    schema = {"type": "object", "required": required, "properties": properties}
    return {"required": True, "content": {media_type: {"schema": schema}}}


OPERATIONS = {
    "/audience": {
        "get": operation(
            "get-all-audiences",
            "Get all audiences",
            LIST_NAME,
            {},
            parameters=[
                {"name": "Authorization", "in": "header", "required": True, "schema": TEXT, "example": "Bearer sk_acme"}
            ],
        ),
        "post": operation(
            "create-audience-with-csv-upload",
            "Create audience with CSV upload",
            "Audience_createAudienceWithCsvUpload_Response_200",
            {"400": BAD_REQUEST},
            requestBody=body(
                "multipart/form-data",
                ["name", "phoneNumberColumnName", "file"],
                {
                    "name": TEXT | {"example": "Spring sale"},
                    "description": TEXT | {"example": "Asked to be called"},
                    "phoneNumberColumnName": TEXT | {"example": "phoneNumber"},
                    "identifierColumnName": TEXT | {"example": "name"},
                    "file": TEXT | {"format": "binary", "example": "customers.csv"},
                },
            ),
        ),
    },
    "/audience/{id}": {
        "get": operation(
            "get-audience-by-id",
            "Get audience by ID",
            "Audience_getAudienceById_Response_200",
            {"400": BAD_REQUEST, "404": {}},
            parameters=[ID],
        ),
        "delete": operation(
            "delete-audience",
            "Delete audience",
            "Audience_deleteAudience_Response_200",
            {"400": BAD_REQUEST, "404": {}},
            parameters=[ID],
        ),
    },
    "/audience/{id}/members": {
        "get": operation(
            "get-audience-members",
            "Get audience members",
            "Audience_getAudienceMembers_Response_200",
            {"400": response("GetAudienceMembersBadRequestErrorResponse"), "403": {}, "404": {}},
            parameters=[ID, number("page", 1), number("offset", 5)],
        ),
        "post": operation(
            "add-audience-members",
            "Add audience members",
            "Audience_addAudienceMembers_Response_200",
            {"400": BAD_REQUEST, "404": {}},
            parameters=[ID],
            requestBody=body(
                "application/json",
                ["members"],
                {
                    "members": {
                        "type": "array",
                        "items": {"type": "object", "example": {"phoneNumber": "+14155550123", "name": "Ada"}},
                    }
                },
            ),
        ),
        "delete": operation(
            "delete-audience-members",
            "Delete audience members",
            "Audience_deleteAudienceMembers_Response_200",
            {"400": BAD_REQUEST, "404": {}},
            parameters=[ID],
            requestBody=body(
                "application/json",
                ["memberIds"],
                {"memberIds": {"type": "array", "items": TEXT | {"example": "60d0fe4f5311236168a109cd"}}},
            ),
        ),
    },
    "/audience/{id}/members/search": {
        "get": operation(
            "search-audience-members",
            "Search audience members",
            "Audience_searchAudienceMembers_Response_200",
            {"400": BAD_REQUEST, "404": {}},
            parameters=[
                ID,
                {"name": "query", "in": "query", "required": False, "schema": TEXT | {"example": "ada"}},
                {"name": "*", "in": "query", "required": False, "schema": TEXT},
            ],
        ),
    },
}

OF_ID = "AudienceIdGetResponsesContentApplicationJsonSchemaData"
OF_POST = "AudiencePostResponsesContentApplicationJsonSchemaData"
OF_MEMBERS = "AudienceIdMembersGetResponsesContentApplicationJsonSchemaData"
OF_ADDED = "AudienceIdMembersPostResponsesContentApplicationJsonSchemaDataItems"
OF_DELETED = "AudienceIdMembersDeleteResponsesContentApplicationJsonSchemaData"
OF_SEARCH = "AudienceIdMembersSearchGetResponsesContentApplicationJsonSchemaData"
DETAIL = {
    "_id": TEXT,
    "name": TEXT,
    "description": TEXT,
    "phoneNumberColumnName": TEXT,
    "organization": TEXT,
    "createdBy": TEXT,
    "createdAt": TIME,
    "updatedAt": TIME,
}

SCHEMAS = {
    CAMPAIGN_NAME: shape(_id=TEXT, name=TEXT, status=TEXT, createdAt=TIME),
    AUDIENCE_NAME: shape(
        _id=TEXT,
        name=TEXT,
        description=TEXT,
        phoneNumberColumnName=TEXT,
        organization=TEXT,
        createdBy=TEXT,
        createdAt=TIME,
        updatedAt=TIME,
        memberCount={"type": "number", "format": "double"},
        hasCampaigns=FLAG,
        campaigns={"type": "array", "items": ref(CAMPAIGN_NAME)},
    ),
    LIST_NAME: shape(status=FLAG, data={"type": "array", "items": ref(AUDIENCE_NAME)}),
    OF_ID: shape(**DETAIL),
    OF_POST: shape(**DETAIL, identifierColumnName=TEXT),
    f"{OF_MEMBERS}MembersItems": shape(_id=TEXT, data={"type": "object"}),
    OF_MEMBERS: shape(
        members={"type": "array", "items": ref(f"{OF_MEMBERS}MembersItems")},
        totalCount=WHOLE,
        totalPages=WHOLE,
        hasMore=FLAG,
    ),
    f"{OF_ADDED}Data": shape(added=WHOLE, skipped=WHOLE),
    OF_ADDED: shape(message=TEXT, data=ref(f"{OF_ADDED}Data")),
    OF_DELETED: shape(deletedCount=WHOLE),
    f"{OF_SEARCH}SearchInfo": shape(
        searchType=TEXT | {"enum": ["general", "multiple"]},
        searchTerm=TEXT,
        searchFields={"type": "array", "items": TEXT},
        totalResults=WHOLE,
    ),
    OF_SEARCH: shape(
        members={"type": "array", "items": ref(f"{OF_MEMBERS}MembersItems")},
        searchInfo=ref(f"{OF_SEARCH}SearchInfo"),
    ),
    "Audience_createAudienceWithCsvUpload_Response_200": shape(status=FLAG, data=ref(OF_POST)),
    "Audience_getAudienceById_Response_200": shape(status=FLAG, data=ref(OF_ID)),
    "Audience_deleteAudience_Response_200": shape(status=FLAG, data={"type": "array"}),
    "Audience_getAudienceMembers_Response_200": shape(status=FLAG, data=ref(OF_MEMBERS)),
    "Audience_addAudienceMembers_Response_200": shape(status=FLAG, data={"type": "array", "items": ref(OF_ADDED)}),
    "Audience_deleteAudienceMembers_Response_200": shape(status=FLAG, data=ref(OF_DELETED)),
    "Audience_searchAudienceMembers_Response_200": shape(status=FLAG, data=ref(OF_SEARCH)),
    "BadRequestErrorResponse": ERROR,
    "GetAudienceMembersBadRequestErrorResponse": shape(status=TEXT, errors={"type": "array", "items": TEXT}),
    "UnauthorizedErrorResponse": ERROR,
    "InternalServerErrorResponse": ERROR,
}
