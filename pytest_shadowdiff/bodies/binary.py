"""Bytes that nothing else reads: their size, their digest, and the first place that differs."""

from __future__ import annotations

from hashlib import sha256

from pytest_shadowdiff.bodies import Content, Terms, kind_changed
from pytest_shadowdiff.trees.found import Found

_STEP = 1 << 16


def read(content: Content, terms: Terms) -> bytes:
    """The bytes as they are."""
    terms.budget.look()
    return content.data


def compare(primary: bytes, candidate: bytes, terms: Terms) -> list[Found]:
    """One difference, or none."""
    if primary == candidate:
        return []
    at = first_difference(primary, candidate)
    return [kind_changed(_described(primary, at), _described(candidate, at), terms)]


def first_difference(a: bytes, b: bytes) -> int:
    """The offset of the first byte that differs."""
    start = 0
    while a[start : start + _STEP] == b[start : start + _STEP]:
        start += _STEP
    left, right = a[start : start + _STEP], b[start : start + _STEP]
    return start + next((n for n, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), min(len(left), len(right)))


def _described(data: bytes, at: int) -> str:
    return f"{len(data)} bytes, sha256 {sha256(data).hexdigest()}, from byte {at}: {data[at : at + 16].hex(' ')}"
