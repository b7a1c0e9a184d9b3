"""Judged pairs, on disk from the moment of their verdict: by test for the test itself, as records for the reports.

What a test may read again is kept whole, in the run's private folder; what reports read is redacted before it is written.
"""

from __future__ import annotations

import json
import pickle
import threading
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from pytest_shadowdiff.model import Pair, Verdict

if TYPE_CHECKING:
    from pytest_shadowdiff.report.summary import Summary

Record = Callable[[Pair], dict[str, object]]


class Verdicts:
    """All judged pairs of one process.

    Args:
        directory: private to the run.
        summary: counts every pair.
        record: makes a report's record of a pair, redacted; None where no report was asked for.
    """

    def __init__(self, directory: Path, summary: Summary, record: Record | None) -> None:
        self.summary = summary
        self.records = directory / "records.jsonl"
        self._record = record
        self._lock = threading.Lock()
        self._pairs = (directory / "pairs").open("w+b")
        self._places: dict[str, array[int]] = defaultdict(lambda: array("Q"))
        self._counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
        self._lines = self.records.open("w", encoding="utf-8") if record else None

    def add(self, pair: Pair, key: str) -> None:
        """Keep a pair under the key of its test."""
        self.summary.add(pair)
        if self._lines is not None and self._record is not None:
            record = self._record(pair) | {"started": pair.primary.started if pair.primary else time.time()}
            self._lines.write(json.dumps(record, ensure_ascii=True) + "\n")
        with self._lock:
            self._pairs.seek(0, 2)
            self._places[key].append(self._pairs.tell())
            pickle.dump(pair, self._pairs, protocol=pickle.HIGHEST_PROTOCOL)
            if pair.verdict is not None:
                self._counts[key][pair.verdict] += 1

    def counts(self, key: str) -> Counter[Verdict]:
        """How many pairs of a test came to which verdict so far."""
        with self._lock:
            return Counter(self._counts[key])

    def of(self, key: str) -> Sequence[Pair]:
        """A test's pairs so far, read when they are looked at."""
        return _Stored(self, self._places[key])

    def forget(self, key: str) -> None:
        """The test is over: nobody asks for its pairs again."""
        with self._lock:
            self._places.pop(key, None)
            self._counts.pop(key, None)

    def read(self, place: int) -> Pair:
        """The pair at a place in the file, which nobody but this process has written."""
        with self._lock:
            self._pairs.seek(place)
            pair: Pair = pickle.load(self._pairs)  # noqa: S301 - our own file, in a folder of mode 0700
            return pair

    def close(self) -> None:
        """No pair comes any more; records can still be read."""
        self._pairs.close()
        if self._lines is not None:
            self._lines.close()


class _Stored(Sequence[Pair]):
    """Pairs on disk, as a sequence."""

    def __init__(self, verdicts: Verdicts, places: array[int]) -> None:
        self._verdicts = verdicts
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Pair: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Pair]: ...

    def __getitem__(self, index: int | slice) -> Pair | Sequence[Pair]:
        if isinstance(index, slice):
            return [self._verdicts.read(place) for place in self._places[index]]
        return self._verdicts.read(self._places[index])

    def __iter__(self) -> Iterator[Pair]:
        for place in list(self._places):
            yield self._verdicts.read(place)

    def __repr__(self) -> str:
        return f"<{len(self)} pairs>"
