"""How others would judge the same traffic: Diffy's rule, masking by a control, and a plain DeepDiff."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pytest_shadowdiff.model import Exchange, Pair

RELATIVE, ABSOLUTE = 20.0, 0.03
"""Diffy's defaults, in per cent (`relative.threshold`, `absolute.threshold`)."""


@dataclass(slots=True)
class Rivals:
    """What each of them makes of one endpoint's traffic; the secondary is one more instance of the primary, as Diffy wants it.

    Attributes:
        masking: general paths at which the candidate differed where the secondary did not.
        deep: anything that DeepDiff found.
    """

    raw: Counter[str] = field(default_factory=Counter)
    noise: Counter[str] = field(default_factory=Counter)
    total: int = 0
    masking: set[str] = field(default_factory=set)
    deep: set[str] = field(default_factory=set)

    def see(self, pair: Pair, secondary: Exchange) -> None:
        assert pair.primary is not None
        assert pair.candidate is not None
        ours, theirs, other = map(_fields, (pair.primary, pair.candidate, secondary))
        raw, noise = _differing(ours, theirs), _differing(ours, other)
        self.total += 1
        if raw - self.raw.keys():
            self.deep |= _deep(pair.primary, pair.candidate)  # it is slow, and shows nothing new where no field is new
        self.raw.update(raw)
        self.noise.update(noise)
        self.masking |= raw - noise

    def diffy(self) -> set[str]:
        """The fields that Diffy shows by default."""
        found = set()
        for path, raw in self.raw.items():
            noise = self.noise[path]
            relative = abs(raw - noise) / (raw + noise) * 100
            absolute = abs(raw - noise) / self.total * 100
            if raw > noise and relative > RELATIVE and absolute > ABSOLUTE:
                found.add(path)
        return found


def _read(exchange: Exchange) -> Any:
    assert exchange.response is not None
    try:
        return json.loads(exchange.response.body)
    except ValueError:
        return exchange.response.body.decode("utf-8", "replace")


def _fields(exchange: Exchange) -> dict[str, Any]:
    assert exchange.response is not None
    found: dict[str, Any] = {"status": exchange.response.status}
    found |= {
        f"header:{name.lower()}": value for name, value in exchange.response.headers if name.lower() not in ("date", "content-length")
    }
    _flatten(_read(exchange), "$", found)
    return found


def _flatten(value: Any, path: str, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            _flatten(member, f"{path}.{name}", found)
    elif isinstance(value, list):
        found[f"{path}.length"] = len(value)
        for n, element in enumerate(value):
            _flatten(element, f"{path}[{n}]", found)
    else:
        found[path] = (type(value).__name__, value)


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    paths = {path for path in one.keys() | other.keys() if one.get(path, ...) != other.get(path, ...)}
    return {re.sub(r"\[\d+\]", "[*]", path).removesuffix(".length") for path in paths}


def _deep(one: Exchange, other: Exchange) -> set[str]:
    from deepdiff import DeepDiff

    assert one.response is not None
    assert other.response is not None
    if one.response.body == other.response.body:
        found = set()
    else:
        paths = DeepDiff(_read(one), _read(other), view="tree")
        found = {"$" + re.sub(r"\['(\w+)'\]", r".\1", level.path(root="")) for levels in paths.values() for level in levels}
    return found | ({"status"} if one.response.status != other.response.status else set())
