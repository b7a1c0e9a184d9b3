"""The nouns of the whole package, as values: nothing here does I/O and nothing here changes.

Headers are pairs in the order of the wire, names in the case of the wire, decoded as ISO 8859-1 so
that every byte survives. Bodies are the content as it was sent, still content-encoded, after the
transfer framing (chunks) has been taken off. Times are Unix seconds, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Role = Literal["primary", "candidate", "control"]
Headers = Sequence[tuple[str, str]]


class Verdict(str, Enum):
    """What is said of a pair; the meaning of each is in the documentation's list of words."""

    SAME = "same"
    NOISE = "noise"
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    DIFFERENT = "different"
    INCOMPLETE = "incomplete"
    SKIPPED = "skipped"

    __str__ = str.__str__


class Kind(str, Enum):
    """What sort of difference a `Difference` is."""

    VALUE_CHANGED = "value_changed"
    TYPE_CHANGED = "type_changed"
    MISSING = "missing"
    ADDED = "added"
    REORDERED = "reordered"
    SHAPE_CHANGED = "shape_changed"
    STATUS_CHANGED = "status_changed"
    HEADER_CHANGED = "header_changed"
    BODY_CHANGED = "body_changed"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Request:
    """A request as one side received it.

    Attributes:
        method: as on the wire, case kept.
        target: the raw request target, path and query (`/orders/1?full=1`), never decoded.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    trailers: Headers = ()
    http_version: str = "1.1"


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it was on the wire, its body still content-encoded."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers = ()
    http_version: str = "1.1"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response, as one side saw them.

    Attributes:
        response: None where none was seen.
        seconds: from the request's first byte sent to the response's last byte; None where it did not end.
        problem: why no verdict may rest on this exchange ("no answer within 10 s"); empty where none.
        truncated: part of the response is not here (it broke off, or a limit cut it).
        not_seen: the parts of the response that the tap cannot show: "headers", "body", "trailers".
        tap: the tap that saw it, with what it knows of the place ("proxy", "logs of pod httpbin-v1-x").
        origins: `scheme://host:port/prefix` by which the version may know itself, beside the Host that it received.
    """

    request: Request
    response: Response | None
    started: float
    seconds: float | None = None
    problem: str = ""
    truncated: bool = False
    not_seen: frozenset[str] = frozenset()
    tap: str = "proxy"
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same request asked again, of the primary (as control) and of the candidate, at one time."""

    control: Exchange | None
    candidate: Exchange | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two responses mean something else.

    Attributes:
        path: a normalised JSONPath (RFC 9535), an XPath, `header:NAME`, `status` or `body`.
        kind: one of `Kind`, as text.
        primary: the primary's value; None where it is missing.
        candidate: the candidate's value; None where it is missing.
    """

    path: str
    kind: str
    primary: object
    candidate: object


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two values at a path may be apart: either bound suffices where two are given."""

    path: str
    absolute: float | None = None
    relative: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unordered:
    """A list whose order means nothing; `key` names what identifies an element."""

    path: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a team says of its own answers; for each path the first rule that names it decides.

    Attributes:
        endpoint: `METHOD template` (`GET /orders/{id}`, `* /x`); empty means everywhere.
        ignore: paths whose differences are noise.
        unordered: paths of lists, as text, as `{"path": ..., "key": ...}` or as `Unordered`.
        tolerance: as `{"path": ..., "absolute": ...}` or as `Tolerance`.
        origin: where it was written, for messages ("pyproject.toml, [[tool.shadowdiff.rules]] 2").
    """

    endpoint: str = ""
    ignore: Sequence[str] = ()
    unordered: Sequence[str | Mapping[str, Any] | Unordered] = ()
    tolerance: Sequence[Mapping[str, Any] | Tolerance] = ()
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Pair:
    """The exchanges of one request, and, once judged, what is said of them.

    Attributes:
        id: our own, unique in the run.
        test: the node id of the test that sent the request; None for strangers' requests.
        request: as the caller sent it.
        control: the primary asked a second time (or the third target).
        repeats: what asking again showed, oldest first.
        skipped: why the request was not mirrored; empty where it was.
        verdict: None until judged.
        reason: why the pair is noise, incomplete or skipped.
        differences: where the verdict is `different` or `accepted`.
        noise: the differences that were taken for noise.
        silenced: those among them that a rule silences.
    """

    id: str
    test: str | None
    request: Request
    primary: Exchange | None = None
    candidate: Exchange | None = None
    control: Exchange | None = None
    repeats: tuple[Repeat, ...] = ()
    skipped: str = ""
    endpoint: str = ""
    verdict: Verdict | None = None
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    noise: tuple[Difference, ...] = ()
    silenced: tuple[Difference, ...] = ()

    def judged(self, judgement: Judgement) -> Pair:
        """This pair with what a judge said of it."""
        return replace(
            self,
            verdict=judgement.verdict,
            reason=judgement.reason,
            differences=judgement.differences,
            noise=judgement.noise,
            silenced=judgement.silenced,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of a pair.

    Attributes:
        silenced: the differences in `noise` that a rule silences.
        suspect: asking again could change the verdict; the run decides whether it asks.
        rules: origins of the rules that silenced something, whether or not anything else differs.
    """

    verdict: Verdict
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    noise: tuple[Difference, ...] = ()
    silenced: tuple[Difference, ...] = ()
    suspect: bool = False
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tls:
    """How TLS to a version is spoken; paths are files in PEM."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    server_name: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a running version is reached, and what is added to its requests.

    Attributes:
        name: the target's name, for messages.
        host: an IP address or a DNS name, without brackets; ignored where `socket` is set.
        prefix: path prefix put before each request's path, without a trailing slash.
        host_header: the Host that requests carry; None keeps the caller's.
        headers: added to (or put in place of) the caller's.
        socket: path of a Unix socket.
    """

    name: str
    host: str
    port: int
    tls: Tls | None = None
    prefix: str = ""
    host_header: str | None = None
    headers: Headers = ()
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """Where one version can be watched; a mirror fills in what it has, a tap takes what it needs.

    Attributes:
        admin: host and port of the Envoy that stands before the version.
        entry: host and port that callers' requests enter by, where `admin` is the mirror's own Envoy.
        listener: the name of the Envoy's listener before the version, where one Envoy stands before several.
        log: file that the version's output goes to.
        port: TCP port at which the version listens.
        host: the address at which it listens there, as seen from this machine.
        interface: of this machine, on which packets to it pass; empty where they pass on none.
        packets: captures the version's packets where it runs elsewhere (`captures.elsewhere.Packets`).
    """

    role: Role
    name: str
    admin: tuple[str, int] | None = None
    entry: tuple[str, int] | None = None
    listener: str | None = None
    log: Path | None = None
    port: int | None = None
    host: str = "127.0.0.1"
    interface: str = "lo"
    packets: Any = None
