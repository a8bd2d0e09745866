"""The format of fixture files. docs/fixtures.md describes it."""

from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from mock_atoms.contract.schemas import MAX_MEMBERS, ObjectId
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_items, parse_model
from mock_atoms.core.setting_types import Locale, Token
from mock_atoms.core.slices import Steps
from mock_atoms.data.fixture_members import parse_members
from mock_atoms.data.models import AudienceRecord, ValidatedAudience, ValidatedAudiences, check_campaign_ids, check_ids

MAX_GENERATED_AUDIENCES = 1_000
"""Maximum number of generated audiences of a token."""


def _expand_number(value: object) -> object:
    return {"min": value, "max": value} if isinstance(value, int) else value


class CountRange(StrictModel):
    """A random number from `min` to `max`, both included."""

    min: Annotated[int, Field(ge=0, strict=True)]
    max: Annotated[int, Field(ge=0, strict=True)]

    @model_validator(mode="after")
    def _check_order(self) -> "CountRange":
        if self.min > self.max:
            raise ValueError(f"min {self.min} is greater than max {self.max}")
        return self


def _at_most(limit: int) -> AfterValidator:
    def check(value: CountRange) -> CountRange:
        if value.max > limit:
            raise ValueError(f"must be at most {limit}")
        return value

    return AfterValidator(check)


class GenerateOptions(StrictModel):
    """Options of the generator for the tokens of a file. The defaults are those of any token."""

    audiences: Annotated[CountRange, BeforeValidator(_expand_number), _at_most(MAX_GENERATED_AUDIENCES)] = CountRange(
        min=3, max=12
    )
    members: Annotated[CountRange, BeforeValidator(_expand_number), _at_most(MAX_MEMBERS)] = CountRange(
        min=0, max=MAX_MEMBERS
    )
    withCampaigns: Annotated[float, Field(ge=0, le=1)] = 0.4  # noqa: N815 - spelled like the API's keys
    locale: Locale | None = None


class FixtureFile(StrictModel):
    """One file: the tokens of one organisation and their audiences."""

    tokens: Annotated[list[Token], Field(min_length=1, repr=False)]
    organization: ObjectId | None = None
    audiences: ValidatedAudiences | None = None
    generate: GenerateOptions | None = None

    @model_validator(mode="after")
    def _check_source(self) -> "FixtureFile":
        if (self.audiences is None) == (self.generate is None):
            raise ValueError("must have either audiences or generate")
        return self


_TENANT_KEYS = ("token", "testId", "organization", "audiences", "generate")


def parse_fixture(content: dict[str, Any]) -> Steps[FixtureFile]:
    """Parse the data of a tenant, which has the format of a fixture file.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    if not isinstance(content.get("audiences"), list):
        return parse_model(FixtureFile, content, keys=_TENANT_KEYS)
    file = parse_model(FixtureFile, {**content, "audiences": []}, keys=_TENANT_KEYS)
    return file.model_copy(update={"audiences": (yield from parse_audiences(content["audiences"], "/audiences"))})


def parse_audiences(
    values: list[Any],
    pointer: str,
    audience_type: Any = ValidatedAudience,  # noqa: ANN401 - an annotated type
) -> Steps[list[AudienceRecord]]:
    """Parse a list of audiences, one or one member in each step.

    Args:
        values: the audiences.
        pointer: JSON pointer to the list.
        audience_type: the type of each, `ValidatedAudience` or `ImportedAudience`.

    Raises:
        ConfigError: names the field by JSON pointer.
    """
    values = yield from parse_members(values, pointer)
    audiences = yield from parse_items(_adapter(audience_type), values, pointer)
    try:
        if audience_type is ValidatedAudience:  # ids that a server has generated are not checked again
            yield from check_campaign_ids(audiences)
        return check_ids(audiences)
    except ValueError as error:
        raise ConfigError(str(error), pointer) from None


@cache
def _adapter(audience_type: Any) -> TypeAdapter[AudienceRecord]:  # noqa: ANN401 - the same
    return TypeAdapter(audience_type)
