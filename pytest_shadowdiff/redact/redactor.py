"""The one passage of all that leaves: texts, headers, bodies, values, whole pairs."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import TypeVar

from pytest_shadowdiff.model import Difference, Headers, Pair, Request
from pytest_shadowdiff.redact.forms import MARK, USERINFO
from pytest_shadowdiff.redact.known import Known, spellings
from pytest_shadowdiff.redact.names import names_secret
from pytest_shadowdiff.redact.passage import NAMES, Hook, Passage

Anything = TypeVar("Anything")


class Redactor:
    """Replaces secrets by marks; one secret has one mark in a run, so that two that differ still look different.

    It keeps nothing from call to call: the same input gives the same output, in any order and in any thread.
    """

    def __init__(
        self, hook: Hook | None = None, *, secrets: Iterable[str] = (), names: Iterable[str] = (), key: bytes | None = None
    ) -> None:
        """Make a redactor.

        Args:
            hook: (name, value) -> what to show instead of the value, or None for "as usual".
            secrets: values that are secret wherever they stand, as those of headers that the configuration adds.
            names: more names, in any case, that stand before secrets.
            key: what the marks are made with, at most 64 bytes: random unless given (workers of one run share one);
                empty for marks that do not tell two secrets apart.
        """
        self.key = randomness.token_bytes(16) if key is None else key
        self._hook = hook
        self._names = frozenset(name.lower() for name in names)
        self._secrets = frozenset(spelling for secret in secrets for part in _parts(secret) for spelling in spellings(part))
        self._known = Known(self._secrets, self.mark)

    def mark(self, secret: str) -> str:
        """What stands in a secret's place."""
        if not secret or MARK.fullmatch(secret):
            return secret
        if not self.key:
            return "[redacted]"
        digest = blake2b(secret.encode("utf-8", "surrogatepass"), key=self.key, digest_size=3)
        return f"[redacted:{digest.hexdigest()}]"

    def headers(self, headers: Headers) -> tuple[tuple[str, str], ...]:
        """Headers or trailers; their names stay."""
        return self._known.replace(self._passage().headers(headers))

    def url(self, target: str) -> str:
        """A URL or a request target."""
        return self._known.replace(self._passage().text(target))

    def text(self, text: str) -> str:
        """Any text: a message, a line of a log, an excerpt."""
        return self._known.replace(self._passage().string("", text))

    def body(self, body: bytes, headers: Headers) -> bytes:
        """A body whose content coding has been taken off; one that is text comes out in UTF-8."""
        return self._known.replace(self._passage().body(body, headers))

    def value(self, path: str, value: object) -> object:
        """A value of a document or a header, by the names on its path (`$.user.token`, `header:cookie`)."""
        return self._known.replace(self._passage().value_at(path, value))

    def difference(self, difference: Difference) -> Difference:
        """A difference, its path and both its values."""
        return self._known.replace(self._passage().difference(difference))

    def beside(self, request: Request) -> Callable[[str], str]:
        """What texts about a request go through: as `text`, and what is secret in its headers and its target is so there too."""
        passage = self._passage()
        passage.headers(request.headers)
        passage.text(request.target)
        known = Known(self._secrets | passage.seen, self.mark) if passage.seen else self._known
        return lambda text: known.replace(passage.text(text))

    def pair(self, pair: Pair) -> Pair:
        """A pair whose bodies' content codings have been taken off; what is secret in one place of it is so in all of it."""
        passage = self._passage()
        redacted = passage.pair(pair)
        known = Known(self._secrets | passage.seen, self.mark).replace(redacted)
        return replace(known, **{name: getattr(pair, name) for name in NAMES})

    def _passage(self) -> Passage:
        return Passage(self.mark, self._hook, self._names)


def _parts(secret: str) -> set[str]:
    """`Bearer abc` is secret as a whole, and so is `abc`."""
    scheme, _, credentials = secret.partition(" ")
    return {secret, credentials} if scheme.isalpha() and credentials else {secret}


def secret_values(named: Mapping[str, str]) -> list[str]:
    """The values among settings (an environment) that are secret by their names, or by what stands in them (`user:password@`)."""
    found = [value for name, value in named.items() if names_secret(name)]
    return found + [userinfo for value in named.values() for userinfo in USERINFO.findall(value)]
