"""The request that creates an agent of the vendor (D).

It is large, so servers import it when they need it.
"""

import re
from typing import Annotated, Any, Literal, Required

from pydantic import AfterValidator, Field, Strict, WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.contract.agents import DEFAULT_WORKFLOW, WorkflowType
from mock_atoms.contract.schemas import documented_as

MAX_PROMPT_LENGTH = 4_000
"""Maximum number of characters of `globalPrompt` (D)."""
MAX_FIRST_MESSAGE_LENGTH = 500
"""Maximum number of characters of `firstMessage` (D)."""
MAX_VOICEMAIL_LENGTH = 200
"""Maximum number of characters of `voiceMailDetectionConfig.endText` (D)."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")

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


def _one_of(*numbers: int, default: int) -> tuple[Any, ...]:
    """Return the documented values and default of a number."""

    def check(number: float) -> float:
        if number not in numbers:
            raise ValueError(f"must be one of {', '.join(map(str, numbers))}")
        return number

    return AfterValidator(check), WithJsonSchema({"type": "number", "enum": [*numbers], "default": default})


def _check_whole(number: float) -> float:
    if not number.is_integer():  # 5.0 is an integer of JSON
        raise ValueError("must be a whole number")
    return number


def _check_uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise ValueError("must be a URL such as https://example.com/lookup")
    return text


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
    enhancement: Annotated[_Number, *_one_of(0, 1, 2, default=1)]
    sampleRate: Annotated[_Number, *_one_of(8000, 16000, 24000, 44100, default=16000)]


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
    timeout: Annotated[
        _Number,
        Field(ge=1, le=30),
        AfterValidator(_check_whole),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 30, "default": 5}),
    ]
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


def find_contradiction(agent: NewAgent) -> str | None:
    """Return which fields of a valid agent contradict each other (D: the rules, A: the messages), or `None`."""
    language = agent.get("language", {})
    supported = language.get("supported", [])
    if "default" in language and "supported" in language and language["default"] not in supported:
        return "language.default must be one of language.supported"
    if "ta" in supported and set(supported) != {"ta"}:
        return "language.supported: ta cannot be combined with other languages"
    voice = agent.get("synthesizer", {}).get("voiceConfig", {})
    for field, model in (
        ("slmModel", agent.get("slmModel", "")),
        ("synthesizer.voiceConfig.model", voice.get("model", "")),
    ):
        if model.startswith("gpt-realtime") and agent.get("workflowType", DEFAULT_WORKFLOW) != DEFAULT_WORKFLOW:
            return f"{field}: {model} needs the workflowType {DEFAULT_WORKFLOW}"
    return None
