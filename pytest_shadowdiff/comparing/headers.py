"""Headers by what they mean: which may be compared at all, and as what."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import new as new_hash
from urllib.parse import urlsplit

from pytest_shadowdiff.comparing import tags
from pytest_shadowdiff.comparing.challenges import challenges
from pytest_shadowdiff.comparing.cookies import cookie, differing
from pytest_shadowdiff.comparing.fields import elements, parameters, split, unquoted, values_of
from pytest_shadowdiff.model import Headers, Kind
from pytest_shadowdiff.rules import Selection
from pytest_shadowdiff.trees.found import Found

_CLOCKS_APART = 2.0

_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "date",
        "server",
        "via",
    }
)
"""What the connection, a proxy on the way or the clock made; a length is that of a body which is compared itself."""

_OF_ONE_REQUEST = frozenset(
    {
        "age", "b3", "cf-ray", "x-amz-cf-id", "x-amz-id-2", "x-amz-request-id", "x-amzn-requestid", "x-amzn-trace-id", "x-azure-ref",
        "x-cloud-trace-context", "x-correlation-id", "x-ms-request-id", "x-response-time", "x-runtime", "x-served-by", "x-timer",
        "x-trace-id", "request-id", "x-request-id", "traceparent", "traceresponse", "tracestate", "x-process-time",
    }
)  # fmt: skip
"""What is another for each request, by what it promises: that it is there is compared, its value is not."""

_MADE_BY_MIRRORS = re.compile(r"x-envoy-.*|x-shadowdiff-.*|x-forwarded-.*|x-b3-.*|x-ot-span-context|x-datadog-.*")
_SETS = frozenset(
    {
        "accept-patch", "accept-post", "accept-ranges", "access-control-allow-headers", "access-control-allow-methods",
        "access-control-expose-headers", "allow", "clear-site-data", "content-language", "pragma", "timing-allow-origin", "vary",
    }
)  # fmt: skip
_CASED = frozenset({"allow", "access-control-allow-methods", "clear-site-data", "timing-allow-origin"})
_DIRECTIVES = {
    "cache-control": ",", "cdn-cache-control": ",", "surrogate-control": ",", "permissions-policy": ",", "strict-transport-security": ";",
    "x-xss-protection": ";", "expect-ct": ",",
}  # fmt: skip
_POLICIES = frozenset({"content-security-policy", "content-security-policy-report-only"})
_BLANK = "\t\n\f\r "
_PARAMETERS = frozenset({"content-type", "content-disposition"})
_CHALLENGES = frozenset({"www-authenticate", "proxy-authenticate"})
_DIGESTS = frozenset({"digest", "content-digest", "repr-digest", "content-md5"})
_HASHES = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5", "sha": "sha1"}

_BLANKS = re.compile(f"[{_BLANK}]+")

Meaning = Callable[[Sequence[str]], Hashable]


@dataclass(frozen=True, slots=True)
class Answer:
    """One side's headers, and what their meaning hangs on.

    Attributes:
        body: as it was sent.
        content: without its coding.
        own: what its own authority is written as.
    """

    headers: Headers
    body: bytes
    content: bytes
    local: Callable[[str], str]

    def now(self) -> float | None:
        """The answer's own time."""
        dates = values_of(self.headers, "date")
        return _moment(dates[0]) if dates else None


def differences(primary: Answer, candidate: Answer, selection: Selection, *, explained: Callable[[str, str], bool]) -> list[Found]:
    """Where two sets of headers mean something else.

    Args:
        explained: whether what the mirror did to the requests makes two values the same.
    """
    found: list[Found] = []
    ours, theirs = _by_name(primary.headers), _by_name(candidate.headers)
    hop_by_hop = {name.lower() for side in (ours, theirs) for value in side.get("connection", ()) for name in split(value)}
    for name in dict.fromkeys([*ours, *theirs]):
        if not _tested(name) or name in hop_by_hop:
            continue
        one, other = ours.get(name, []), theirs.get(name, [])
        if one == other and name not in _DIGESTS:
            continue
        for path, left, right in _differing(name, one, other, primary, candidate):
            if left is not None and right is not None and explained(left, right):
                continue
            found.append(_found(name, path, left, right, selection))
    return found


def alike(primary: Headers, candidate: Headers) -> bool:
    """Whether two sets of headers are the same as they stand, and hold nothing whose meaning hangs on the body."""
    return primary == candidate and not any(name.lower() in _DIGESTS for name, _ in primary)


def compared(headers: Headers) -> int:
    """How many names of headers are looked at."""
    return len({name.lower() for name, _ in headers if _tested(name.lower())})


def _by_name(headers: Headers) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for name, value in headers:
        named.setdefault(name.lower(), []).append(value.strip())
    return named


def _tested(name: str) -> bool:
    return name not in _OF_THE_CONNECTION and not _MADE_BY_MIRRORS.fullmatch(name)


def _found(name: str, path: str, left: str | None, right: str | None, selection: Selection) -> Found:
    decision = selection.named(path)
    rule = decision.rule if decision is not None and decision.action == "ignore" else None
    return Found(path, Kind.HEADER_CHANGED, left, right, name, rule)


_Shown = tuple[str, str | None, str | None]


def _differing(name: str, one: list[str], other: list[str], primary: Answer, candidate: Answer) -> Iterator[_Shown]:
    """Path and both values of what differs; a cookie has a path of its own."""
    path = f"header:{name}"
    if name == "set-cookie":
        ours, theirs = ([cookie(line, side.now()) for line in lines] for lines, side in ((one, primary), (other, candidate)))
        yield from ((f"{path}:{cookie_name}", left, right) for cookie_name, left, right in differing(ours, theirs))
    elif not one or not other:
        yield path, ", ".join(one) if one else None, ", ".join(other) if other else None
    elif name in _DIGESTS:
        if one != other and not (_digest_holds(name, one, primary) and _digest_holds(name, other, candidate)):
            yield path, ", ".join(one), ", ".join(other)
    elif name == "etag" and tags.fall_apart(one, other, ((primary.body, primary.content), (candidate.body, candidate.content))):
        yield path, one[0], other[0]
    elif name in _CHALLENGES:
        asked, asked_there = ", ".join(challenges(one)), ", ".join(challenges(other))
        if asked != asked_there:
            yield path, asked, asked_there
    elif _meaning(name, one, primary) != _meaning(name, other, candidate) and not _times_alike(name, one, other, primary, candidate):
        yield path, ", ".join(one), ", ".join(other)


def _meaning(name: str, values: Sequence[str], answer: Answer) -> Hashable:  # noqa: PLR0911 - one line a sort of header
    if name in _OF_ONE_REQUEST:
        return "there" if name != "age" else all(value.isascii() and value.isdigit() for value in values)  # RFC 9111, 5.1
    if name in _SETS:
        return frozenset(element if name in _CASED else element.lower() for element in elements(values))
    if name in _DIRECTIVES:
        return _directives(part for value in values for part in split(value, _DIRECTIVES[name]))
    if name in _POLICIES:
        return frozenset(_policy(policy) for value in values for policy in value.split(",") if policy.strip(_BLANK))
    if name in _PARAMETERS:
        return tuple(_with_parameters(value) for value in values)
    if name == "etag":
        return tuple(map(tags.form, values))
    if name in ("location", "content-location"):
        return tuple(_reference(value, answer) for value in values)
    if name == "link":
        return frozenset(_link(element, answer) for element in elements(values))
    if name == "server-timing":
        return frozenset(parameters(element)[0] for element in elements(values))
    return tuple(values)


def _directives(parts: Iterable[str]) -> Hashable:
    """Directives in any order; what is said of one more than once, in the order in which it is said, for one of it wins."""
    said: dict[str, dict[Hashable, None]] = {}
    for name, value in map(_directive, parts):
        said.setdefault(name, {})[value] = None
    return frozenset((name, tuple(every)) for name, every in said.items())


def _policy(policy: str) -> Hashable:
    """One policy of several that all hold: of directives of one name the first counts, its sources in any order (CSP3, 2.2.1)."""
    counting: dict[str, frozenset[str]] = {}
    for part in policy.split(";"):
        name, *sources = [piece for piece in _BLANKS.split(part) if piece] or [""]
        if name:
            counting.setdefault(name.lower(), frozenset(sources))
    return frozenset(counting.items())


def _directive(part: str) -> tuple[str, Hashable]:
    """`max-age=60`, or `script-src 'self' a.example`: sources in any order."""
    name, equals, value = part.partition("=")
    if equals and " " not in name:
        return name.strip().lower(), unquoted(value.strip())
    first, *sources = part.split()
    return first.lower(), frozenset(sources)


def _with_parameters(value: str) -> Hashable:
    first, named = parameters(value)
    if "charset" in named:
        named["charset"] = named["charset"].lower()
    if first.lower().startswith("multipart/"):
        named.pop("boundary", None)  # another one for each answer, and no meaning of its own
    return first.lower(), frozenset(named.items())


def _reference(value: str, answer: Answer) -> Hashable:
    return answer.local(value)


def _link(element: str, answer: Answer) -> Hashable:
    target, named = parameters(element)
    return answer.local(target.strip().strip("<>")), frozenset(named.items())


def _digest_holds(name: str, values: Sequence[str], answer: Answer) -> bool:
    """Whether each digest is that of this side's own body, so that it differs only as the bodies do."""
    bodies = (answer.body, answer.content)
    if name == "content-md5":
        return all(value in {_base64(new_hash("md5", body, usedforsecurity=False).digest()) for body in bodies} for value in values)
    for element in elements(values):
        algorithm, _, said = element.partition("=")
        known = _HASHES.get(algorithm.strip().lower())
        if known is None:
            return False
        if said.strip().strip(":") not in {_base64(new_hash(known, body, usedforsecurity=False).digest()) for body in bodies}:
            return False
    return True


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode("ascii")


def _times_alike(name: str, one: Sequence[str], other: Sequence[str], primary: Answer, candidate: Answer) -> bool:
    """Expires and Retry-After are held against the answer's own clock."""
    if name not in ("expires", "retry-after") or len(one) != 1 or len(other) != 1:
        return False
    left, right = _from_now(one[0], primary.now()), _from_now(other[0], candidate.now())
    return left is not None and right is not None and abs(left - right) <= _CLOCKS_APART


def _from_now(value: str, now: float | None) -> float | None:
    if value.isascii() and value.isdigit():
        return float(value) if len(value) <= _MOST_DIGITS else None
    moment = _moment(value)
    return moment - now if moment is not None and now is not None else None


_MOST_DIGITS = 12  # seconds, some thousand years


def _moment(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def local_reference(value: str, authorities: frozenset[str], scheme: str | None) -> str:
    """A URL with the version's own authority replaced, as the entry's would stand there; where it has a scheme, another one stays."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return value
    if parts.netloc.rpartition("@")[2].lower() not in authorities or parts.scheme not in ("http", "https", ""):
        return value
    other = "" if scheme is None or parts.scheme in ("", scheme) else f"{parts.scheme}:"
    return f"{other}//entry" + value.partition("//")[2][len(parts.netloc) :]
