"""TLS: the certificate that the server shows, given or made at its start."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mock_atoms.core.addresses import reachable_host
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings, flag_name

_OWN_NAMES = ("localhost", "127.0.0.1", "::1", "mock-atoms", "host.docker.internal")
"""Names under which a mock server is reached: on its machine, beside it in a compose file, from a container."""
_WANTED = "give a certificate and its key, in PEM, the key without a password"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, in PEM files.

    Attributes:
        file: the certificate, and its chain behind it.
        key: its key, where that is not in the same file.
        ca_file: the authority that clients have to trust, where it was made for this certificate.
    """

    file: Path
    key: Path | None = None
    ca_file: Path | None = None


@contextmanager
def load_certificate(settings: Settings) -> Iterator[Certificate | None]:
    """Yield the certificate that `settings` ask for, or `None` where the server speaks plain HTTP.

    One that is made here is in a folder of its own, which goes in the end.

    Raises:
        ConfigError: the files cannot be used, or do not go together, or what makes certificates is not installed.
    """
    if settings.tls is None:
        yield _given(settings.tls_cert, settings.tls_key)
        return
    if settings.tls_cert is not None or settings.tls_key is not None:
        raise ConfigError(f"{flag_name('tls')}: leave it out, or {flag_name('tls_cert')}: there is one certificate")
    with TemporaryDirectory(prefix="mock-atoms-") as folder:
        yield _made(settings.host, Path(folder))


def _given(file: Path | None, key: Path | None) -> Certificate | None:
    if file is None:
        if key is not None:
            raise ConfigError(f"{flag_name('tls_key')}: give the certificate too, with {flag_name('tls_cert')}")
        return None
    try:
        # It reads both files, and asks nobody for the password of a key that has one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, password="")
    except OSError as error:
        files = file if key is None else f"{file}, {key}"
        problem = f"{_WANTED}: {error}" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        raise ConfigError(f"{flag_name('tls_cert')}: {files}: {problem}") from None
    return Certificate(file, key)


def _made(host: str, folder: Path) -> Certificate:
    try:
        import trustme  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise ConfigError(f"{flag_name('tls')}: self-signed needs trustme: pip install 'mock-atoms[tls]'") from None
    authority = trustme.CA(organization_name="mock-atoms")
    names = dict.fromkeys((*_OWN_NAMES, reachable_host(host)))
    certificate = authority.issue_cert(*names)
    file, ca_file = folder / "server.pem", folder / "ca.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(file))
    authority.cert_pem.write_to_path(str(ca_file))
    return Certificate(file, ca_file=ca_file)
