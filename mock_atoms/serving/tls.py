"""TLS: the certificate of the server, from files or made at start."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mock_atoms.core.addresses import reachable_host
from mock_atoms.core.errors import missing_package
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings, flag_name

_OWN_NAMES = ("localhost", "127.0.0.1", "::1", "mock-atoms", "host.docker.internal")
"""Names of a mock server on its machine, in a compose file and from a container."""
_EXPECTED = "must be a certificate and its key, in PEM, the key without a password"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in PEM files.

    Attributes:
        file: the certificate, followed by its chain.
        key: its key, or `None` if `file` has it.
        ca_file: the CA for clients to trust, if it was made at start.
    """

    file: Path
    key: Path | None = None
    ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings of a server with this certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file, self.key)
        return context


@contextmanager
def load_certificate(settings: Settings) -> Iterator[Certificate | None]:
    """Yield the certificate of `settings`, or `None` for plain HTTP.

    A certificate made here lives in a temporary folder, deleted at the end.

    Raises:
        ConfigError: the files are invalid or do not match, trustme is not installed, or no temporary folder is
            writable.
    """
    if settings.tls is None:
        yield _read_certificate(settings.tls_cert, settings.tls_key)
        return
    if settings.tls_cert is not None or settings.tls_key is not None:
        raise ConfigError(f"{flag_name('tls')}: use either this or {flag_name('tls_cert')}")
    try:
        temporary_folder = TemporaryDirectory(prefix="mock-atoms-")
    except OSError:
        raise ConfigError(
            f"{flag_name('tls')}: self-signed needs a writable temporary folder: in a container, mount a tmpfs at /tmp"
        ) from None
    with temporary_folder as folder:
        yield _make_certificate(settings.host, Path(folder))


def _read_certificate(file: Path | None, key: Path | None) -> Certificate | None:
    if file is None:
        if key is not None:
            raise ConfigError(f"{flag_name('tls_key')}: also needs the certificate, {flag_name('tls_cert')}")
        return None
    try:
        # Reads both files; the empty password prevents a prompt for an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, password="")
    except OSError as error:
        files = file if key is None else f"{file}, {key}"
        problem = f"{_EXPECTED}: {error}" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        raise ConfigError(f"{flag_name('tls_cert')}: {files}: {problem}") from None
    return Certificate(file, key)


def _make_certificate(hosts: Sequence[str], folder: Path) -> Certificate:
    try:
        import trustme  # noqa: PLC0415 - an optional dependency, and slow
    except ImportError:
        raise ConfigError(f"{flag_name('tls')}: {missing_package('trustme', 'tls')}") from None
    authority = trustme.CA(organization_name="mock-atoms")
    names = dict.fromkeys((*_OWN_NAMES, *map(reachable_host, hosts)))
    certificate = authority.issue_cert(*names)
    file, ca_file = folder / "server.pem", folder / "ca.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(file))
    authority.cert_pem.write_to_path(str(ca_file))
    return Certificate(file, ca_file=ca_file)
