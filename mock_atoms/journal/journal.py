"""The journal: what each client really sent, and what became of it. Bounded, and without a whole token in it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mock_atoms.core.http_text import decode_text, parse_cookies, parse_query
from mock_atoms.core.tenancy import Tenant, digest_test_id, digest_token
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import UNROUTED

MAX_BODY_BYTES = 65_536
"""How many bytes of a request's body are kept."""
MAX_BYTES = 64 * 1024 * 1024
"""How many bytes of URLs, headers and bodies the whole journal keeps."""
FORM_TYPE = "application/x-www-form-urlencoded"
ANSWERED = "answered"
"""How an exchange ended that had its whole answer; others: `exchange.ABORTED`, or the kind of a connection fault."""
UNIT = 64
"""What weights are counted in, in bytes. Most of them are small then, and Python has small numbers once, for all."""
_ENTRY_WEIGHT = 1_000 // UNIT  # roughly what an entry without headers and body takes
_HEADER_BYTES = 200  # and a header, besides its letters


@dataclass(frozen=True, slots=True, eq=False)
class RequestHead:
    """What a request says before its body. Requests that are alike, of one connection or of several, share one.

    Attributes:
        tenant: whose they are.
        secrets: digests of the credentials that they were sent with, see `Credentials.digest`.
        method: HTTP method as sent.
        url: path and query as sent, credentials masked.
        scheme: `http` or `https`.
        http_version: such as `1.1`.
        host: what they were sent to, as in a `Host` header.
        headers: names as sent and values, credentials masked.
        operation: the documented operation that they ask for, such as `GET /audience/{id}`; empty where there is none.
        weight: how many units of `UNIT` bytes it is counted with.
    """

    tenant: Tenant
    secrets: frozenset[bytes]
    method: str
    url: str
    scheme: str
    http_version: str
    host: str
    headers: tuple[tuple[str, str], ...]
    operation: str = ""
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _units(len(self.url) + _size_of(self.headers)))


def _size_of(headers: Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]) -> int:
    return sum(_HEADER_BYTES + len(name) + len(value) for name, value in headers)


def _units(size: int) -> int:
    return -(-size // UNIT)


@dataclass(frozen=True, slots=True, eq=False)
class ResponseHead:
    """What an answer says before its body, but for the `x-request-id` that is its own. Those that are alike share one.

    Attributes:
        headers: lower-case names and values.
        weight: how many units of `UNIT` bytes it is counted with.
    """

    headers: Sequence[tuple[bytes, bytes]] = ()
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _units(_size_of(self.headers)))


NO_RESPONSE = ResponseHead()


@dataclass(slots=True, eq=False)
class Entry:
    """One exchange. It is made when the request arrives, and is whole before the client has seen the whole answer.

    Attributes:
        head: what the request says before its body.
        id: a UUID, the `x-request-id` of the answer.
        arrived: when it came.
        started: the same, in seconds of a clock that only goes forward.
        client: the address that it came from.
        client_port: the port that it came from, which tells connections apart.
        body: its first `MAX_BODY_BYTES` bytes, credentials masked.
        body_size: how many bytes of it came.
        body_rest: what stands for the bytes behind the cap.
        body_complete: whether all of it came.
        answering: when the answer began, on the clock of `started`; `None` where it has not.
        ended: when it was over, on the same clock; `None` while it is in flight.
        ending: how it ended, see `ANSWERED`.
        status: HTTP status of the answer, 0 where there was none.
        answer: what the answer says before its body.
        bytes_sent: how many bytes of an answer's body were sent.
        faults: ids of the rules that struck.
        reason: why the answer is what it is, a slug, where it is the mock's doing and not the API's.
        delay_ms: how long a fault held the answer back.
        malformed_body: whether the answer is of a success, with a body that is wrong on purpose.
        weight: how many units of `UNIT` bytes it is counted with.
        kept: whether it is in the journal still.
    """

    head: RequestHead
    id: str
    arrived: datetime
    started: float
    client: str
    client_port: int
    body: bytes = b""
    body_size: int = 0
    body_tail_digest: bytes = b""
    body_complete: bool = False
    response_started: float | None = None
    ended: float | None = None
    ending: str | None = None
    status: int = 0
    answer: ResponseHead = NO_RESPONSE
    bytes_sent: int = 0
    faults: tuple[str, ...] = ()
    reason: str | None = None
    delay_ms: float = 0.0
    malformed_body: bool = False
    weight: int = 0
    kept: bool = False

    @property
    def tenant(self) -> Tenant:
        """Whose it is."""
        return self.head.tenant

    @property
    def method(self) -> str:
        """HTTP method as sent."""
        return self.head.method

    @property
    def url(self) -> str:
        """Path and query as sent, credentials masked."""
        return self.head.url

    @property
    def is_matched(self) -> bool:
        """Whether the mock has something there."""
        return self.reason not in UNROUTED

    @property
    def path(self) -> str:
        """The path alone."""
        return self.head.url.partition("?")[0]

    @property
    def text(self) -> str:
        """The body as text: UTF-8 where it is that, else Latin-1."""
        return decode_text(self.body)

    @property
    def duration_ms(self) -> float | None:
        """How long it took, or `None` while it is in flight."""
        return None if self.ended is None else (self.ended - self.started) * 1000

    def query(self) -> dict[str, list[str]]:
        """Return the values of each query parameter, decoded."""
        return parse_query(self.head.url.partition("?")[2])

    def form(self) -> dict[str, list[str]]:
        """Return the values of each parameter of a form that was sent."""
        if any(value.lower().startswith(FORM_TYPE) for value in self.header("content-type")):
            return parse_query(self.text)
        return {}

    def header(self, name: str) -> list[str]:
        """Return the values of the header `name`."""
        wanted = name.lower()
        return [value for key, value in self.head.headers if key.lower() == wanted]

    def cookies(self) -> dict[str, list[str]]:
        """Return the values of each cookie."""
        cookies: dict[str, list[str]] = {}
        for header in self.header("cookie"):
            for name, value in parse_cookies(header):
                cookies.setdefault(name, []).append(value)
        return cookies

    def response_headers(self) -> list[tuple[str, str]]:
        """Return names, in lower case, and values of the answer's headers."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.answer.headers]
        if self.status and not any(name == "x-request-id" for name, _ in headers):
            headers.insert(0, ("x-request-id", self.id))
        return headers

    def response_header(self, name: str) -> str | None:
        """Return the value of the answer's header `name`, lower-case."""
        return next((value for key, value in self.response_headers() if key == name), None)


class Journal:
    """The last exchanges, the oldest dropped first.

    Not thread-safe: one event loop owns it.

    Args:
        size: how many entries are kept; 0 turns it off.
        credentials: what tells the credentials in them.
        max_bytes: how many bytes all entries may have together.
    """

    def __init__(self, size: int, credentials: Credentials, max_bytes: int = MAX_BYTES) -> None:
        self.size = size
        self.credentials = credentials
        self.dropped = 0
        self._max_weight = max_bytes // UNIT
        self._entries: deque[Entry] = deque()
        self._weight = 0
        self._watchers: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries, the oldest first."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_off(self) -> bool:
        """Whether nothing is recorded."""
        return self.size == 0

    def add(self, entry: Entry) -> None:
        """Record the arrival of a request."""
        if self.is_off:
            return
        entry.kept = True
        self._entries.append(entry)
        self._weigh(entry)

    def update(self, entry: Entry) -> None:
        """Take note that `entry` has changed."""
        if entry.kept:
            self._weigh(entry)

    def remove(self, condition: Callable[[Entry], bool]) -> list[Entry]:
        """Remove the entries that meet `condition`, and return them, the oldest first."""
        kept: deque[Entry] = deque()
        removed: list[Entry] = []
        for entry in self._entries:
            (removed if condition(entry) else kept).append(entry)
        self._entries = kept
        for entry in removed:
            self._forget(entry)
        return removed

    def clear(self) -> None:
        """Remove all entries, and forget how many were dropped."""
        self.remove(lambda _entry: True)
        self.dropped = 0

    def find(self, entry_id: str) -> Entry | None:
        """Return the latest entry of that id, if there is one."""
        return next((entry for entry in reversed(self._entries) if entry.id == entry_id), None)

    def selector(self, token: str | None, test_id: str | None) -> Callable[[Entry], bool]:
        """Return what tells whether an entry belongs to a token, valid or not, and to a test, each `None` for any."""
        token_digest = None if token is None else digest_token(token)
        secret = None if token is None else self.credentials.digest(token)
        test_digest = None if test_id is None else digest_test_id(test_id)
        return lambda entry: (
            entry.tenant.belongs_to(token_digest, test_digest)
            or (secret in entry.head.secrets and entry.tenant.belongs_to(None, test_digest))
        )

    def watch(self, notice: Callable[[], None]) -> Callable[[], None]:
        """Call `notice` whenever an entry is new or has changed, until what is returned is called."""
        self._watchers.append(notice)
        return lambda: self._watchers.remove(notice)

    def _weigh(self, entry: Entry) -> None:
        weight = _ENTRY_WEIGHT + entry.head.weight + _units(len(entry.body)) + entry.answer.weight
        self._weight += weight - entry.weight
        entry.weight = weight
        while len(self._entries) > self.size or (self._weight > self._max_weight and len(self._entries) > 1):
            self._forget(self._entries.popleft())
            self.dropped += 1
        for notice in self._watchers:
            notice()

    def _forget(self, entry: Entry) -> None:
        self._weight -= entry.weight
        entry.kept = False
