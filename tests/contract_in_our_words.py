"""What `GET /audience` is documented to be (S), stated once more and by hand, to hold the served document to."""

TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
TIME = {"type": "string", "format": "date-time"}

CAMPAIGN_NAME = "AudienceGetResponsesContentApplicationJsonSchemaDataItemsCampaignsItems"
AUDIENCE_NAME = "AudienceGetResponsesContentApplicationJsonSchemaDataItems"
LIST_NAME = "Audience_getAllAudiences_Response_200"


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def answer(name: str) -> dict[str, object]:
    return {"content": {"application/json": {"schema": ref(name)}}}


def shape(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


ERROR = shape(status=FLAG, errors={"type": "array", "items": TEXT})

OPERATION = {
    "operationId": "get-all-audiences",
    "summary": "Get all audiences",
    "tags": ["subpackage_audience"],
    "parameters": [
        {"name": "Authorization", "in": "header", "required": True, "schema": TEXT, "example": "Bearer sk_acme"}
    ],
    "responses": {
        "200": answer(LIST_NAME),
        "401": answer("UnauthorizedErrorResponse"),
        "500": answer("InternalServerErrorResponse"),
    },
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
    "UnauthorizedErrorResponse": ERROR,
    "InternalServerErrorResponse": ERROR,
}
