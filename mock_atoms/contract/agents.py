"""The vendor's agents: the request that creates one, and its response (D)."""

import re
from typing import Annotated, Any, Literal, Required

from pydantic import AfterValidator, Field, Strict, WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.contract.schemas import ObjectId, documented_as

MAX_PROMPT_LENGTH = 4_000
"""Maximum number of characters of `globalPrompt` (D)."""
MAX_FIRST_MESSAGE_LENGTH = 500
"""Maximum number of characters of `firstMessage` (D)."""
MAX_VOICEMAIL_LENGTH = 200
"""Maximum number of characters of `voiceMailDetectionConfig.endText` (D)."""
DEFAULT_WORKFLOW: Literal["single_prompt"] = "single_prompt"
"""`workflowType` of an agent whose request has none (D)."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")

WorkflowType = Literal["workflow_graph", "single_prompt"]
"""How an agent is configured (D)."""
_Language = Literal["en", "hi", "mr", "gu", "ta", "es", "north_indic", "bn", "or"]
_Flag = Annotated[bool, Strict()]
_Text = Annotated[str, Strict()]
_Number = Annotated[float, Strict()]
_Object = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]


def _number(minimum: float | None = None, maximum: float | None = None, default: float | None = None) -> Any:  # noqa: ANN401 - pydantic's `FieldInfo`
    """Return the documented bounds and default of a number."""
    return Field(ge=minimum, le=maximum, json_schema_extra=None if default is None else {"default": default})


def _default(value: object, **constraints: Any) -> Any:  # noqa: ANN401 - pydantic's `FieldInfo`
    """Return the documented default of a field. Requests may omit the field."""
    return Field(json_schema_extra={"default": value}, **constraints)  # type: ignore[dict-item] # any JSON


def _check_uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise ValueError("must be a URL such as https://example.com/lookup")
    return text


class Agent(TypedDict, total=False):
    """An agent, as campaigns show it (D)."""

    _id: ObjectId
    name: str
    workflowType: WorkflowType


@documented_as("AgentLanguageSwitching", extra="ignore")
class _Switching(TypedDict, total=False):
    isEnabled: Annotated[_Flag, _default(value=False)]
    minWordsForDetection: Annotated[_Number, _number(1, 10, 2)]
    strongSignalThreshold: Annotated[_Number, _number(0.1, 0.9, 0.7)]
    weakSignalThreshold: Annotated[_Number, _number(0.1, 0.9, 0.3)]
    minConsecutiveForWeakThresholdSwitch: Annotated[_Number, _number(1, 5, 2)]


@documented_as("AgentLanguage", extra="ignore")
class AgentLanguage(TypedDict, total=False):
    """Languages of an agent."""

    default: Annotated[_Language, _default("en")]
    supported: list[_Language]
    switching: _Switching


@documented_as("AgentVoice", extra="ignore")
class _Voice(TypedDict, total=False):
    model: Annotated[
        Literal["waves_lightning_v3_1", "gpt-realtime", "gpt-realtime-mini"], _default("waves_lightning_v3_1")
    ]
    voiceId: Annotated[_Text, _default("nyah")]
    gender: Annotated[Literal["male", "female"], _default("female")]


@documented_as("AgentSynthesizer", extra="ignore")
class _Synthesizer(TypedDict, total=False):
    voiceConfig: Annotated[_Voice, _default({"model": "waves_lightning_v3_1", "voiceId": "nyah"})]
    speed: Annotated[_Number, _number(0, 2, 1.2)]
    consistency: Annotated[_Number, _number(0, 1, 0.5)]
    similarity: Annotated[_Number, _number(0, 1, 0)]
    enhancement: Annotated[
        Literal[0, 1, 2], Strict(), WithJsonSchema({"type": "number", "enum": [0, 1, 2], "default": 1})
    ]
    sampleRate: Annotated[
        Literal[8000, 16000, 24000, 44100],
        Strict(),
        WithJsonSchema({"type": "number", "enum": [8000, 16000, 24000, 44100], "default": 16000}),
    ]


@documented_as("AgentResponseVariable", extra="ignore")
class _ResponseVariable(TypedDict):
    variableName: _Text
    jsonPath: _Text


@documented_as("AgentPreCallApi", extra="ignore")
class _PreCallApi(TypedDict, total=False):
    isEnabled: Annotated[_Flag, _default(value=False)]
    url: Required[Annotated[_Text, AfterValidator(_check_uri), Field(json_schema_extra={"format": "uri"})]]
    method: Required[Literal["GET", "POST", "PUT", "DELETE", "PATCH"]]
    headers: dict[str, _Text]
    body: _Object
    timeout: Annotated[int, Strict(), _number(1, 30, 5)]
    queryParams: _Object
    responseVariables: list[_ResponseVariable]


@documented_as("AgentSmartTurn", extra="ignore")
class _SmartTurn(TypedDict, total=False):
    isEnabled: _Flag
    waitTimeInSecs: Annotated[_Number, _number(0, 10)]


@documented_as("AgentVoiceDetection", extra="ignore")
class _VoiceDetection(TypedDict, total=False):
    confidence: Annotated[_Number, _number(0, 1)]
    minVolume: Annotated[_Number, _number(0, 1)]
    triggerTimeInSecs: Annotated[_Number, _number(0, 10)]
    releaseTimeInSecs: Annotated[_Number, _number(0, 10)]


@documented_as("AgentVoicemailDetection", extra="ignore")
class _VoicemailDetection(TypedDict, total=False):
    enabled: _Flag
    endText: Annotated[_Text, Field(max_length=MAX_VOICEMAIL_LENGTH)]


@documented_as("AgentSwitch", extra="ignore")
class _Switch(TypedDict, total=False):
    isEnabled: _Flag


@documented_as("AgentPronunciation", extra="ignore")
class _Pronunciation(TypedDict):
    word: _Text
    pronunciation: _Text


@documented_as("AgentIdleTimeout", extra="ignore")
class _IdleTimeout(TypedDict, total=False):
    chatTimeoutTimeInSecs: Annotated[_Number, _number(1, 300)]
    webcallTimeoutTimeInSecs: Annotated[_Number, _number(1, 300)]
    telephonyTimeoutTimeInSecs: Annotated[_Number, _number(1, 300)]
    maxRetries: _Number


@documented_as("AgentSessionTimeout", extra="ignore")
class _SessionTimeout(TypedDict, total=False):
    timeoutTimeInSecs: Annotated[_Number, _number(maximum=3600, default=1800)]


@documented_as("AgentTimezone", extra="ignore")
class _Timezone(TypedDict, total=False):
    label: _Text
    offset: _Number


@documented_as("CreateAgentRequest", extra="ignore")
class NewAgent(TypedDict, total=False):
    """Body of `POST /agent` (D). Unknown keys are ignored (A)."""

    name: Required[
        Annotated[_Text, Field(description="Name of the agent", json_schema_extra={"example": "Outreach Assistant"})]
    ]
    description: _Text
    backgroundSound: Annotated[Literal["", "office", "cafe", "call_center", "static"], _default("")]
    language: AgentLanguage
    synthesizer: _Synthesizer
    globalKnowledgeBaseId: _Text
    slmModel: Annotated[
        Literal[
            "electron",
            "electron-kogta",
            "electron-kogta-v2",
            "gpt-4o",
            "gpt-4.1",
            "gpt-5.2",
            "gpt-realtime",
            "gpt-realtime-mini",
        ],
        _default("electron"),
    ]
    defaultVariables: _Object
    preCallAPI: _PreCallApi
    globalPrompt: Annotated[
        _Text, Field(max_length=MAX_PROMPT_LENGTH, description="Instructions for agents of the type `workflow_graph`")
    ]
    telephonyProductId: Annotated[list[_Text], Field(description="Ids of the phone numbers of the agent")]
    workflowType: Annotated[WorkflowType, _default(DEFAULT_WORKFLOW)]
    firstMessage: Annotated[_Text, Field(max_length=MAX_FIRST_MESSAGE_LENGTH)]
    muteUserUntilFirstBotResponse: _Flag
    allowInterruptions: _Flag
    waitForUserToSpeakFirst: _Flag
    interruptionBackoffTimer: Annotated[_Number, _number(0, 10)]
    smartTurnConfig: _SmartTurn
    voiceDetectionConfig: _VoiceDetection
    voiceMailDetectionConfig: _VoicemailDetection
    denoisingConfig: _Switch
    redactionConfig: _Switch
    pronunciationDicts: list[_Pronunciation]
    llmIdleTimeoutConfig: _IdleTimeout
    sessionTimeoutConfig: _SessionTimeout
    timezone: _Timezone
    callDispositionConfig: _Text
    allowInboundCall: Annotated[_Flag, _default(value=True)]
    enableStyleGuide: Annotated[_Flag, _default(value=True)]
    speechFormatting: _Flag


@documented_as("AgentIdArchiveDeleteResponsesContentApplicationJsonSchemaData")
class ArchivedAgent(TypedDict, total=False):
    """`data` of `DELETE /agent/{id}/archive` (D)."""

    message: Literal["Agent archived", "Agent unarchived"]
