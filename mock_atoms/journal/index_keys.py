"""Keys of requests in the index of the journal."""

from collections.abc import Sequence

from mock_atoms.core.tenancy import TEST_ID_HEADER, Tenant, digest_test_id

_TEST_ID_NAME = TEST_ID_HEADER.decode()


def index_keys(
    tenant: Tenant, credential_digests: tuple[bytes, ...], headers: Sequence[tuple[str, str]]
) -> tuple[bytes, ...]:
    """Return `credential_digests` and the digests of all test ids in a request, each once."""
    test_ids = [digest_test_id(value) for name, value in headers if name.lower() == _TEST_ID_NAME]
    if tenant.test_digest is not None:  # differs from all of these if the test id is masked
        test_ids.append(tenant.test_digest)
    return tuple(dict.fromkeys((*credential_digests, *test_ids))) if test_ids else credential_digests
