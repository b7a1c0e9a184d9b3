"""Acceptances in a run: which differences they let through, which of them were of use, and which are to be recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff import acceptances
from pytest_shadowdiff.model import Difference, Judgement, Pair, Verdict

if TYPE_CHECKING:
    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.redact import Redactor

Key = tuple[str, str, str]
RECORDED = "recorded as accepted"


class Accepting:
    """What one process has to do with the file of acceptances.

    Args:
        entries: of the file.
        records: differences are recorded as accepted, instead of failing.
        redactor: says which values are secret, so that their shape is recorded instead.
    """

    def __init__(self, entries: Sequence[Acceptance], *, records: bool, redactor: Redactor) -> None:
        self._entries = entries
        self._records = records
        self._redactor = redactor
        self._lock = threading.Lock()
        self._today = date.today()  # noqa: DTZ011 - an expiry is a day where the team is
        self.found: list[Acceptance] = []
        self.used: set[Key] = set()

    def judges(self, endpoint: str) -> Callable[[Difference], bool] | None:
        """What says whether a difference at an endpoint is accepted; None where nothing is."""
        if not self._entries:
            return None

        def accepts(difference: Difference) -> bool:
            entry = acceptances.which(self._entries, endpoint, difference, self._today)
            if entry is not None:
                self.used.add(entry.key())
            return entry is not None

        return accepts

    def final(self, pair: Pair, judgement: Judgement) -> Judgement:
        """The judgement as it stands: a difference is recorded where that was asked for."""
        if not self._records or judgement.verdict is not Verdict.DIFFERENT:
            return judgement
        with self._lock:
            found = ((pair.endpoint, difference) for difference in judgement.differences)
            self.found = list(acceptances.record(self.found, found, secret=self._secret))
        return replace(judgement, verdict=Verdict.ACCEPTED, reason=RECORDED)

    def _secret(self, difference: Difference) -> bool:
        return self._redactor.difference(difference) != difference


def file_of(home: Path) -> Path:
    """Where the acceptances of a configuration live."""
    return home / acceptances.FILE_NAME


def merged(entries: Iterable[Acceptance], found: Iterable[Acceptance]) -> list[Acceptance]:
    """The entries with what was found added; reasons and expiry dates stay."""
    whole = {entry.key(): entry for entry in entries}
    for entry in found:
        known = whole.get(entry.key())
        whole[entry.key()] = replace(known, values=tuple(sorted({*known.values, *entry.values}))) if known else entry
    return [whole[key] for key in sorted(whole)]


def unused(entries: Iterable[Acceptance], used: Iterable[Key], endpoints: Iterable[str]) -> list[Acceptance]:
    """The entries that let nothing through, although their endpoint was asked."""
    asked, of_use = set(endpoints), set(used)
    return [entry for entry in entries if entry.endpoint in asked and entry.key() not in of_use]
