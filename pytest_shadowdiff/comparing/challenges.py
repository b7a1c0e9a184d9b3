"""WWW-Authenticate and Proxy-Authenticate, challenge by challenge (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_shadowdiff.comparing.fields import elements, unquoted

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_WORD})\s*=\s*({_WORD}|"(?:[^"\\]|\\.)*")', re.DOTALL)
_SCHEME = re.compile(rf"({_WORD})(?:\s+(.*))?", re.DOTALL)
_WITHOUT_CASE = frozenset({"algorithm", "charset", "stale", "userhash"})
"""What is said in a word of a fixed list, whose case means nothing (RFC 7616, 3.3)."""


def challenges(values: Sequence[str]) -> tuple[str, ...]:
    """Each challenge in one spelling: its scheme and the names of its parameters in small letters, these in order and quoted."""
    found: list[tuple[str, list[str]]] = []
    for element in elements(values):
        said = element
        if not found or not _PARAMETER.fullmatch(said):  # a scheme is only ever followed by a blank
            scheme = _SCHEME.fullmatch(said)
            if scheme is None:
                return tuple(values)
            found.append((scheme[1].lower(), []))
            said = (scheme[2] or "").strip()
        if said:
            found[-1][1].append(_spelled(said))
    return tuple(sorted(" ".join([scheme, ", ".join(sorted(parameters))]).strip() for scheme, parameters in found))


def _spelled(said: str) -> str:
    parameter = _PARAMETER.fullmatch(said)
    if parameter is None:
        return said  # credentials in base 64, or what no grammar knows
    name, value = parameter[1].lower(), unquoted(parameter[2])
    return f'{name}="{value.lower() if name in _WITHOUT_CASE else value}"'
