"""The documented operations and schemas of campaigns (D), to compare the served document with."""

from typing import Any

from tests.contract.documented import BAD_REQUEST, FLAG, TEXT, TIME, WHOLE, ref, response, shape
from tests.contract.documented_accounts import FORBIDDEN, SERVER_ERROR, UNAUTHORIZED

STATUS = {
    "type": "string",
    "enum": ["draft", "scheduled", "processing", "running", "paused", "completed", "failed"],
}
OBJECT: dict[str, Any] = {"type": "object"}
EXAMPLE = {"example": "60d0fe4f5311236168a109cd"}


def path_id(**schema: str) -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "schema": TEXT | schema | EXAMPLE}


def query(name: str, **schema: object) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def operation(name: str, summary: str, responses: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "tags": ["subpackage_campaigns"], **more, "responses": responses}


ERRORS = {"400": BAD_REQUEST, "401": UNAUTHORIZED, "500": SERVER_ERROR}
EXPORT_ID = path_id(pattern=r"^[a-f\d]{24}$")
NEW_CAMPAIGN = shape(
    name=TEXT | {"example": "Spring renewals"},
    description=TEXT,
    audienceId=TEXT | {"example": "60d0fe4f5311236168a109ca"},
    agentId=TEXT | {"example": "60d0fe4f5311236168a109cc"},
    phoneNumberIds={"type": "array", "items": TEXT},
    scheduledAt=TIME,
    maxRetries=WHOLE | {"minimum": 0, "maximum": 10, "default": 3},
    retryDelay=WHOLE | {"minimum": 1, "maximum": 1440, "default": 15},
) | {"required": ["name", "audienceId", "agentId"]}

OPERATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "/campaign": {
        "get": operation(
            "retrieve-all-campaigns",
            "Retrieve all campaigns",
            {"200": response("Campaigns_retrieveAllCampaigns_Response_200"), **ERRORS},
            parameters=[
                query("page", type="integer", default=1),
                query("offset", type="integer", default=5),
                query("status", **STATUS),
                query("search", type="string"),
                query("sortField", type="string", default="createdAt", enum=["createdAt", "updatedAt"]),
                query("sortOrder", type="string", default="desc", enum=["asc", "desc"]),
            ],
        ),
        "post": operation(
            "create-a-campaign",
            "Create a campaign",
            {"201": response("Campaigns_createACampaign_Response_201"), **ERRORS, "403": FORBIDDEN},
            requestBody={"required": True, "content": {"application/json": {"schema": NEW_CAMPAIGN}}},
        ),
    },
    "/campaign/{id}": {
        "get": operation(
            "get-a-campaign",
            "Get a campaign",
            {"200": response("Campaigns_getACampaign_Response_200"), **ERRORS},
            parameters=[path_id()],
        ),
        "delete": operation(
            "delete-a-campaign",
            "Delete a campaign",
            {"200": response("Campaigns_deleteACampaign_Response_200"), **ERRORS, "404": {}},
            parameters=[path_id()],
        ),
    },
    "/campaign/{id}/start": {
        "post": operation(
            "start-or-resume-a-campaign",
            "Start or resume a campaign",
            {"202": response("Campaigns_startOrResumeACampaign_Response_202"), **ERRORS, "404": {}},
            parameters=[path_id()],
        )
    },
    "/campaign/{id}/pause": {
        "post": operation(
            "pause-a-campaign",
            "Pause a campaign",
            {"200": response("Campaigns_pauseACampaign_Response_200"), **ERRORS},
            parameters=[path_id()],
        )
    },
    "/campaign/{id}/export/by-audience-member": {
        "get": operation(
            "export-campaign-results-by-audience-member",
            "Export campaign results grouped by audience member",
            {
                "200": response("Campaigns_exportCampaignResultsByAudienceMember_Response_200"),
                "404": response("BadRequestErrorResponse"),
            },
            parameters=[EXPORT_ID, query("format", type="string", enum=["json", "csv"], default="json")],
        )
    },
    "/campaign/{id}/logs/export": {
        "get": operation(
            "export-campaign-logs",
            "Export campaign call logs",
            {"200": {"content": {"text/csv": {"schema": TEXT | {"format": "binary"}}}}, "400": BAD_REQUEST},
            parameters=[EXPORT_ID],
        )
    },
}

PAGE = "CampaignGetResponsesContentApplicationJsonSchemaData"
CREATED = "CampaignPostResponsesContentApplicationJsonSchemaData"
REPORT = "CampaignIdGetResponsesContentApplicationJsonSchemaData"
STARTED = "CampaignIdStartPostResponsesContentApplicationJsonSchemaData"
RESULT = "CampaignIdExportByAudienceMemberGetResponsesContentApplicationJsonSchemaDataItems"
ITEM: dict[str, Any] = {
    "_id": TEXT,
    "name": TEXT,
    "description": TEXT,
    "organization": TEXT,
    "agent": ref("CampaignAgent"),
    "audience": ref("CampaignAudience"),
    "createdBy": TEXT,
    "participantsCount": WHOLE,
    "status": STATUS,
    "maxRetries": WHOLE,
    "retryDelay": WHOLE,
    "retryAttempts": WHOLE,
    "scheduledAt": TIME,
    "pausedAt": TIME,
    "cancelledCallsCount": WHOLE,
    "createdAt": TIME,
    "updatedAt": TIME,
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "CampaignAgent": shape(_id=TEXT, name=TEXT, workflowType=TEXT),
    "CampaignAudience": shape(_id=TEXT, name=TEXT),
    f"{PAGE}CampaignsItems": shape(**ITEM),
    f"{PAGE}Pagination": shape(total=WHOLE, page=WHOLE, offset=WHOLE, hasMore=FLAG, totalPages=WHOLE),
    PAGE: shape(
        campaigns={"type": "array", "items": ref(f"{PAGE}CampaignsItems")},
        pagination=ref(f"{PAGE}Pagination"),
        totalCampaignCount=WHOLE,
    ),
    CREATED: shape(
        **{key: schema for key, schema in ITEM.items() if key not in ("agent", "audience", "pausedAt")}
        | {"agentId": TEXT, "audienceId": TEXT}
    ),
    f"{REPORT}Campaign": shape(**ITEM, error=TEXT, failedAt=TIME),
    f"{REPORT}EventsItems": shape(_id=TEXT, triggerSource=TEXT, eventAction=TEXT, createdAt=TIME, updatedAt=TIME),
    f"{REPORT}Metrics": shape(total_participants=WHOLE, contacts_called=WHOLE, contacts_connected=WHOLE),
    REPORT: shape(
        campaign=ref(f"{REPORT}Campaign"),
        events={"type": "array", "items": ref(f"{REPORT}EventsItems")},
        metrics=ref(f"{REPORT}Metrics"),
    ),
    STARTED: shape(message=TEXT, taskId=TEXT, campaignId=TEXT),
    RESULT: shape(
        audienceMemberId=TEXT,
        audienceMemberData=OBJECT | {"additionalProperties": True},
        phoneNumber=TEXT,
        originalCall={"type": ["object", "null"]},
        retryAttempts={"type": "array", "items": OBJECT},
        totalAttempts=WHOLE,
        finalStatus=TEXT,
        totalCallDuration={"type": "number"},
        totalCallCost={"type": "number"},
    ),
    "Campaigns_exportCampaignResultsByAudienceMember_Response_200": shape(
        campaign=TEXT, exportedAt=TIME, totalAudienceMembers=WHOLE, data={"type": "array", "items": ref(RESULT)}
    ),
    "Campaigns_retrieveAllCampaigns_Response_200": shape(status=FLAG, data=ref(PAGE)),
    "Campaigns_createACampaign_Response_201": shape(status=FLAG, data=ref(CREATED)),
    "Campaigns_getACampaign_Response_200": shape(status=FLAG, data=ref(REPORT)),
    "Campaigns_deleteACampaign_Response_200": shape(status=FLAG),
    "Campaigns_startOrResumeACampaign_Response_202": shape(status=FLAG, data=ref(STARTED)),
    "Campaigns_pauseACampaign_Response_200": shape(status=FLAG),
}
SCHEMAS[CREATED]["properties"].pop("cancelledCallsCount")
