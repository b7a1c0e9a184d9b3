"""Routes as values: what Istio's and the Gateway API's files say, in one vocabulary. Nothing of Envoy is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_shadowdiff.envoy.routes.documents import Value

MILLION = 1_000_000

TextKind = Literal["exact", "prefix", "regex", "present"]
PathKind = Literal["exact", "prefix", "segments", "regex"]


@dataclass(frozen=True, slots=True)
class TextMatch:
    """How a header or a query parameter has to read; `present` asks for its presence alone."""

    kind: TextKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class NamedMatch:
    """A header (pseudo headers too) or query parameter, and how it has to read; `absent` asks for the contrary."""

    name: str
    text: TextMatch
    absent: bool = False


@dataclass(frozen=True, slots=True)
class PathMatch:
    """How the path has to read; `segments` is a prefix of whole path segments."""

    kind: PathKind = "prefix"
    value: str = "/"
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """All that has to hold for a request to take a route."""

    path: PathMatch = field(default_factory=PathMatch)
    headers: Sequence[NamedMatch] = ()
    query: Sequence[NamedMatch] = ()
    stat_prefix: str = ""


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """Changes to headers: put in place, added, removed."""

    set: Sequence[tuple[str, str]] = ()
    add: Sequence[tuple[str, str]] = ()
    remove: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Edits:
    """Changes to a request's and its response's headers, and to the request's Host."""

    request: HeaderEdit = field(default_factory=HeaderEdit)
    response: HeaderEdit = field(default_factory=HeaderEdit)
    host: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A version as a file names it.

    Attributes:
        name: what a target has to be called: the subset, or the first label of the host, or the backend.
        host: the full name of the host that it belongs to.
        subset: it is a subset, which a DestinationRule for the host has to name.
        at: where it is named.
    """

    name: str
    host: str
    subset: bool
    at: Value


@dataclass(frozen=True, slots=True)
class Destination:
    """Where some share of a route's requests goes; the share is `weight` of the sum of all weights."""

    version: Version
    weight: int = 1
    edits: Edits = field(default_factory=Edits)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Who gets a copy, of how many of a million requests."""

    version: Version
    millionths: int = MILLION


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How the path changes on its way: `prefix` in place of what matched, or `pattern` by `substitution`."""

    prefix: str = ""
    pattern: str = ""
    substitution: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """When the proxy asks a version once more. Durations are seconds."""

    attempts: int
    on: Sequence[str]
    codes: Sequence[int] = ()
    per_try_timeout: float | None = None
    backoff: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What the proxy does to requests on purpose; shares in millionths, delay in seconds."""

    delay: float | None = None
    delay_millionths: int = 0
    abort_status: int | None = None
    abort_grpc: int | None = None
    abort_millionths: int = 0


@dataclass(frozen=True, slots=True)
class Cors:
    """Who may read an answer from another origin."""

    origins: Sequence[TextMatch] = ()
    methods: Sequence[str] = ()
    headers: Sequence[str] = ()
    expose: Sequence[str] = ()
    max_age: int | None = None
    credentials: bool | None = None
    forward_unmatched: bool = True


@dataclass(frozen=True, slots=True)
class Forward:
    """The request goes to a version; `timeout` in seconds, None waits for ever."""

    destinations: Sequence[Destination]
    mirrors: Sequence[Mirror] = ()
    rewrite: Rewrite | None = None
    timeout: float | None = None
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """The proxy sends the caller elsewhere; `port` 0 is the scheme's own, or the request's where nothing else changes."""

    code: int = 301
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    rewrite: Rewrite | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The proxy answers by itself."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to the requests that one match describes; the first match in a file's order decides."""

    name: str
    match: Match
    action: Forward | Redirect | Answer
    edits: Edits = field(default_factory=Edits)
    fault: Fault | None = None
    cors: Cors | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """What a DestinationRule says of the connections to a version; seconds and counts, None where it says nothing."""

    max_connections: int | None = None
    connect_timeout: float | None = None
    max_pending: int | None = None
    max_requests: int | None = None
    max_requests_per_connection: int | None = None
    max_retries: int | None = None
    idle_timeout: float | None = None
    consecutive_5xx: int | None = None
    consecutive_gateway: int | None = None
    ejection_interval: float | None = None
    ejection_time: float | None = None
    max_ejection_percent: int | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The routes of one service.

    Attributes:
        source: kind and name of the object(s), for messages.
        shadow_suffix: the Host of a copy gets `-shadow`.
        pools: what rules say of the connections to a version, by the version's name.
    """

    source: str
    routes: Sequence[Route]
    shadow_suffix: bool
    pools: Sequence[tuple[Version, Pool]] = ()
