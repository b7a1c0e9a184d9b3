"""What the mirror did to the requests, and what of the answers' differences that explains exactly.

The caller sent one request. Where the two versions received different ones (a Host with `-shadow`, headers that a proxy
added), the mirror made the difference, and an answer that echoes it is no other answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address

from pytest_shadowdiff.comparing.fields import values_of
from pytest_shadowdiff.comparing.headers import local_reference
from pytest_shadowdiff.model import Kind, Request
from pytest_shadowdiff.trees.found import Found

_SHORTEST = 4
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded", "x-envoy-external-address")


class Mirrored:
    """The difference of two requests that were one."""

    def __init__(self, primary: Request | None, candidate: Request | None, origins: tuple[Sequence[str], Sequence[str]] = ((), ())) -> None:
        self._requests = (primary, candidate)
        self._primary = _by_name(primary)
        self._candidate = _by_name(candidate)
        self.own = (_Own.of(primary, origins[0]), _Own.of(candidate, origins[1]))

    @cached_property
    def alike(self) -> bool:
        """Whether both sides received the same request."""
        return self._primary == self._candidate and self.own[0].received == self.own[1].received

    def local_to_primary(self, value: str) -> str:
        """A reference of the primary's, its own authority replaced."""
        return self._local(value, 0)

    def local_to_candidate(self, value: str) -> str:
        """A reference of the candidate's, its own authority replaced."""
        return self._local(value, 1)

    def _local(self, value: str, side: int) -> str:
        own = self.own[side]
        reference = local_reference(value, own.authorities, self._scheme(side))
        for start in ("//entry" + own.prefix, own.prefix):
            if reference.startswith(start) and reference[len(start) : len(start) + 1] in ("", "/", "?", "#"):
                return reference[: len(start) - len(own.prefix)] + "\0prefix" + reference[len(start) :]
        return reference

    def explains(self, found: Found) -> bool:
        """Whether the requests' difference makes this one, exactly."""
        if self._requests == (None, None):
            return False
        if found.kind is Kind.ADDED:
            return _echoes(found, self._only_candidate)
        if found.kind is Kind.MISSING:
            return _echoes(found, self._only_primary)
        if isinstance(found.primary, str) and isinstance(found.candidate, str):
            return self.explains_text(found.primary, found.candidate)
        if found.kind is Kind.BODY_CHANGED:
            return self._explains_line(found)
        return False

    def explains_text(self, primary: str, candidate: str) -> bool:
        """Whether two texts are the same once each side's own words stand for what the mirror made of one."""
        if self._neutral(primary, 0) == self._neutral(candidate, 1):
            return True
        return not self.alike and _is_address(primary) and candidate in self._forwarded(1)

    def _neutral(self, text: str, side: int) -> str:
        text = self._pattern(side).sub("\0authority", text) if self.own[side].authorities else text
        for n, (one, other) in enumerate(self._changed):
            text = text.replace((one, other)[side], f"\0{n}\0")
        return text

    def _pattern(self, side: int) -> re.Pattern[str]:
        return self._patterns[side]

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        one, other = (re.compile(_authority_pattern(own, self._scheme(side)), re.IGNORECASE) for side, own in enumerate(self.own))
        return one, other

    def _scheme(self, side: int) -> str | None:
        """The scheme that goes with a side's own authority; any, where the mirror changed the request: it may have changed that, too."""
        return self.own[side].scheme if self.alike else None

    @cached_property
    def _changed(self) -> list[tuple[str, str]]:
        """Values of headers that both sides received, and that differ; the longest first."""
        pairs = []
        for name in self._primary.keys() & self._candidate.keys():
            one, other = ", ".join(self._primary[name]), ", ".join(self._candidate[name])
            if one != other and len(one) >= _SHORTEST and len(other) >= _SHORTEST:
                pairs.append((one, other))
        return sorted(pairs, key=lambda pair: (-len(pair[0]), pair))

    @cached_property
    def _only_candidate(self) -> dict[str, list[str]]:
        return {name: values for name, values in self._candidate.items() if name not in self._primary}

    @cached_property
    def _only_primary(self) -> dict[str, list[str]]:
        return {name: values for name, values in self._primary.items() if name not in self._candidate}

    def _forwarded(self, side: int) -> set[str]:
        received = (self._primary, self._candidate)[side]
        whole = [value for name in _FORWARDED for value in received.get(name, [])]
        return {*whole, *(part.strip() for value in whole for part in value.split(","))}

    def _explains_line(self, found: Found) -> bool:
        """Lines of text that echo a header which one side alone received."""
        text = found.primary if found.candidate is None else found.candidate if found.primary is None else None
        received = self._only_primary if found.candidate is None else self._only_candidate
        if not isinstance(text, str):
            return False
        lines = [line for line in text.split("\n") if line.strip()]
        return bool(lines) and all(_is_field(line, received) for line in lines)


def _by_name(request: Request | None) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, value in request.headers if request is not None else ():
        names.setdefault(name.lower(), []).append(value.strip())
    return names


@dataclass(frozen=True, slots=True)
class _Own:
    """What a version knows itself by.

    Attributes:
        received: the Host that it received, and the authority of a request in absolute form.
        reached: where it was reached.
        scheme: by which it was reached; another one in an answer is that answer's own choice.
        prefix: of the paths at which it was reached, without a trailing slash.
    """

    received: frozenset[str]
    reached: frozenset[str]
    scheme: str
    prefix: str = ""

    @classmethod
    def of(cls, request: Request | None, origins: Sequence[str]) -> _Own:
        hosts = values_of(request.headers, "host") if request is not None else []
        if request is not None and "://" in request.target.partition("?")[0]:
            hosts.append(request.target.split("://", 1)[1].partition("/")[0])
        reached = [origin.partition("://") for origin in origins]
        places = [place.partition("/") for _, _, place in reached]
        return cls(
            received=frozenset(host.lower() for host in hosts if host),
            reached=frozenset(authority.lower() for authority, _, _ in places),
            scheme=reached[0][0] if reached else "http",
            prefix="".join(places[0][1:]) if places else "",
        )

    @property
    def authorities(self) -> frozenset[str]:
        return self.received | self.reached


def _authority_pattern(own: _Own, scheme: str | None) -> str:
    # Without its port only the name that was received counts: what a version says of "localhost" may be its own affair.
    names = {*own.authorities, *(name for host in own.received if len(name := _bare(host)) >= _SHORTEST)}
    written = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return rf"(?:\b{scheme or 'https?'}://)?(?<![\w.-])(?:{written})(?![\w-])" if written else r"(?!)"


def _bare(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_address(text: str) -> bool:
    try:
        return all(ip_address(part.strip().strip("[]")) is not None for part in text.split(","))
    except ValueError:
        return False


def _canonical(name: str) -> str:
    """A header's name as frameworks spell it: `X-Envoy-Internal`, `HTTP_X_ENVOY_INTERNAL`, `x_envoy_internal`."""
    plain = name.lower().replace("_", "-")
    return plain.removeprefix("http-") if name.isupper() else plain


def _echoes(found: Found, received: dict[str, list[str]]) -> bool:
    """A member, an element `[name, value]` or an object of name and value that repeats a header of the request."""
    value = found.candidate if found.kind is Kind.ADDED else found.primary
    if found.name is not None:
        return _says(received.get(_canonical(found.name)), value)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):  # noqa: PLR2004 - name and value
        return _says(received.get(_canonical(value[0])), value[1])
    if isinstance(value, dict) and {"name", "value"} == {name.lower() for name in value}:
        named = {name.lower(): member for name, member in value.items()}
        return isinstance(named["name"], str) and _says(received.get(_canonical(named["name"])), named["value"])
    return isinstance(value, str) and _is_field(value, received)


def _says(values: list[str] | None, value: object) -> bool:
    if values is None:
        return False
    return value == values or (isinstance(value, str) and value in (", ".join(values), ",".join(values), values[-1], values[0]))


def _is_field(line: str, received: dict[str, list[str]]) -> bool:
    name, separator, value = re.sub(r"^\s*[\"']?([\w-]+)[\"']?\s*[:=]\s*", r"\1: ", line).partition(": ")
    return bool(separator) and _says(received.get(_canonical(name.strip())), value.strip().strip("\"',"))
