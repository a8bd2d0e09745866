"""Conditions of a fault rule on requests."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mock_atoms.core.http_text import METHODS, PathTemplate
from mock_atoms.core.masking import TOKEN_PATTERN, mask_token, quote_value, show_text
from mock_atoms.core.parsing import StrictModel
from mock_atoms.core.patterns import DIGEST, MASKED_TOKEN, METHOD, NOT_BLANK, PATH
from mock_atoms.core.tenancy import digest_test_id, digest_token, is_digest_of_test_id, mask_test_id

_COMPLETE_TOKEN = re.compile(TOKEN_PATTERN)


def _check_method(method: str) -> str:
    if method.upper() not in METHODS:
        raise ValueError(f"a rule cannot have the method {quote_value(method)}: use one of {', '.join(METHODS)}")
    return method.upper()


def _check_path(path: str) -> str:
    path_without_query = path.partition("?")[0]
    if path_without_query != path:
        raise ValueError(f"a rule matches any query: leave out the query, and write {show_text(path_without_query)}")
    PathTemplate(path)
    return path


class RuleMatch(StrictModel):
    """Conditions on a request. A rule matches if all conditions that are present hold.

    Attributes:
        token: the request has this bearer token. Accepts the complete token and keeps it masked.
        tokenDigest: digest of the token. Follows from a complete token; required with a masked one.
        testId: the request has this `X-Test-Id`. Kept masked if it contains a credential or is very long.
        testIdDigest: digest of the test id, if that is kept masked.
        method: the request has this HTTP method, in any case. `GET` matches HEAD too.
        path: the path below the base path matches this path template.
    """

    token: Annotated[str, Field(pattern=MASKED_TOKEN)] | None = None
    tokenDigest: Annotated[str, Field(pattern=DIGEST)] | None = None  # noqa: N815 - JSON's own spelling
    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=DIGEST)] | None = None  # noqa: N815 - the same
    method: Annotated[str, Field(pattern=METHOD), AfterValidator(_check_method)] | None = None
    path: Annotated[str, Field(pattern=PATH), AfterValidator(_check_path)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _mask_credentials(cls, value: object) -> object:
        """Replace a complete token, and a test id that contains a credential, with their mask and digest."""
        if not isinstance(value, Mapping):
            return value
        masked = dict(value)
        token, test_id = value.get("token"), value.get("testId")
        complete_token = token if isinstance(token, str) and _COMPLETE_TOKEN.fullmatch(token) else None
        if complete_token is not None:
            digest = digest_token(complete_token).hex()
            if value.get("tokenDigest", digest) != digest:
                raise ValueError("tokenDigest is not the digest of token: omit it")
            masked |= {"token": mask_token(complete_token), "tokenDigest": digest}
        if isinstance(test_id, str) and "testIdDigest" not in value:
            masked_test_id = mask_test_id(test_id, complete_token)
            if masked_test_id not in (None, test_id.strip()):
                masked |= {"testId": masked_test_id, "testIdDigest": digest_test_id(test_id).hex()}
        return masked

    @model_validator(mode="after")
    def _check_digests(self) -> "RuleMatch":
        if self.token is not None and self.tokenDigest is None:
            raise ValueError("a masked token needs its tokenDigest")
        if self.testIdDigest is not None and not is_digest_of_test_id(self.testIdDigest, self.testId):
            raise ValueError("testIdDigest is not the digest of testId: omit it")
        return self

    @cached_property
    def token_digest(self) -> bytes | None:
        """Digest of the token, or `None` for all tokens."""
        return None if self.tokenDigest is None else bytes.fromhex(self.tokenDigest)

    @cached_property
    def test_digest(self) -> bytes | None:
        """Digest of the test id, or `None` for all tests."""
        if self.testId is None:
            return None
        return digest_test_id(self.testId) if self.testIdDigest is None else bytes.fromhex(self.testIdDigest)
