"""ETag: its form is promised and, where it is a digest of the body, that it stays one; its value is the server's (RFC 9110, 8.8.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import new as new_hash

_FORM = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_DIGEST = re.compile(r"[0-9a-fA-F]{32,128}")
_HASHES = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def form(value: str) -> str:
    """Weak, strong, or no entity tag at all."""
    match = _FORM.fullmatch(value)
    return "no entity tag" if match is None else "weak" if match[1] else "strong"


def fall_apart(one: Sequence[str], other: Sequence[str], bodies: tuple[Sequence[bytes], Sequence[bytes]]) -> bool:
    """Whether one side's tag is a digest of its own body, and the other side's looks like one of the same kind and is none."""
    if len(one) != 1 or len(other) != 1:
        return False
    ours, theirs = _DIGEST.search(one[0]), _DIGEST.search(other[0])
    if ours is None or theirs is None or len(ours[0]) != len(theirs[0]) or len(ours[0]) not in _HASHES:
        return False
    return _is_digest(ours[0], bodies[0]) != _is_digest(theirs[0], bodies[1])


def _is_digest(value: str, bodies: Sequence[bytes]) -> bool:
    name = _HASHES[len(value)]
    return any(value.lower() == new_hash(name, body, usedforsecurity=False).hexdigest() for body in bodies if body)
