"""Secrets known by their value: replaced wherever they stand, however they are written there."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus, unquote_plus

from pytest_shadowdiff.model import Difference

Anything = TypeVar("Anything")

SHORTEST = 6
"""A shorter text stands in too many places where it is no secret."""

_DEEPEST = 60
_LARGEST = 10**60


def spellings(secret: str) -> set[str]:
    """A secret as it is, and as it is written in URLs, in HTML, in JSON and in Basic credentials."""
    plain = unquote_plus(secret)
    written = {secret, plain}
    for text in (secret, plain):
        written |= {quote(text, safe=""), quote(text), quote_plus(text), html.escape(text)}
        written |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    if ":" in secret:
        written |= {b64encode(secret.encode("utf-8", "replace")).decode(), secret.partition(":")[2]}
    return {text for text in written if len(text) >= SHORTEST and text not in "[redacted"}


class Known:
    """Replaces known secrets in whatever is made of texts: values, containers, and the model's dataclasses."""

    def __init__(self, secrets: Iterable[str], mark: Callable[[str], str]) -> None:
        self._secrets = sorted(secrets, key=lambda secret: (-len(secret), secret))
        self._bytes = [secret.encode("utf-8", "surrogatepass") for secret in self._secrets]
        self._mark = mark

    def replace(self, anything: Anything, *, cut: bool = False, depth: int = 0) -> Anything:
        """The same with every known secret marked; `cut` texts may begin or end within one."""
        if not self._secrets:
            return anything
        result: Any = self._replaced(anything, cut=cut, depth=depth)
        return cast("Anything", result)

    def _replaced(self, anything: object, *, cut: bool, depth: int) -> object:
        result = anything
        again = partial(self._replaced, cut=cut, depth=depth + 1)
        if isinstance(anything, (Enum, bool)) or depth > _DEEPEST:
            pass
        elif isinstance(anything, str):
            result = self._text(anything, cut=cut)
        elif isinstance(anything, bytes):
            result = self._raw(anything)
        elif isinstance(anything, int):
            text = str(anything) if abs(anything) < _LARGEST else ""
            shown = self._text(text, cut=False)
            result = anything if shown == text else shown
        elif isinstance(anything, (list, tuple)):
            result = type(anything)(map(again, anything))
        elif isinstance(anything, dict):
            result = {again(key): again(item) for key, item in anything.items()}
        elif isinstance(anything, Difference):
            result = self._difference(anything, depth)
        elif is_dataclass(anything) and not isinstance(anything, type):
            again = partial(self._replaced, cut=False, depth=depth + 1)
            result = replace(anything, **{field.name: again(getattr(anything, field.name)) for field in fields(anything)})
        return result

    def _difference(self, found: Difference, depth: int) -> Difference:
        """Its kind, and the word before a header's name, are ours: a version that calls `header` a secret does not blot them out."""
        again = partial(self._replaced, cut=True, depth=depth + 1)
        place, colon, name = found.path.partition(":")
        ours = place + colon if place == "header" else ""
        path = f"{ours}{again(name if ours else found.path)}"
        return replace(found, path=path, primary=again(found.primary), candidate=again(found.candidate))

    def _text(self, text: str, *, cut: bool) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, self._mark(secret))
            elif cut:
                text = self._fragment(text, secret)
        return text

    def _raw(self, body: bytes) -> bytes:
        for secret, raw in zip(self._secrets, self._bytes, strict=True):
            if raw in body:
                body = body.replace(raw, self._mark(secret).encode())
        return body

    def _fragment(self, text: str, secret: str) -> str:
        """An excerpt that begins or ends in the middle of a secret."""
        core = text.strip("…")
        if len(core) < SHORTEST or not (core[:SHORTEST] in secret or core[-SHORTEST:] in secret):
            return text
        if core in secret:
            return text.replace(core, self._mark(secret))
        longest = min(len(secret) - 1, len(core))
        for length in range(longest, SHORTEST - 1, -1):
            if core.startswith(secret[-length:]):
                return text.replace(secret[-length:], self._mark(secret), 1)
            if core.endswith(secret[:length]):
                before, _, after = text.rpartition(secret[:length])
                return f"{before}{self._mark(secret)}{after}"
        return text
