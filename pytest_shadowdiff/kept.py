"""What a spool does not say of its run: who was compared with whom, by which terms, and what each test's marker asks for.

It stands beside a spool that is kept, so that its pairs can be judged again. Nothing is judged here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pytest_shadowdiff.errors import SettingsError, SpoolError
from pytest_shadowdiff.model import Role, Rule
from pytest_shadowdiff.rules import rule_from

FILE = "run.jsonl"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a run, beside its settings' rules, limits and acceptances.

    Attributes:
        primary, candidate: their names, as they may be shown.
        hooks: those that plugins of users implemented.
        origins: `scheme://host:port` by which the version in each role may know itself.
    """

    primary: str
    candidate: str
    mirror: str
    timeout: float
    hooks: Sequence[str] = ()
    origins: Mapping[Role, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that was kept.

    Attributes:
        names: the node id of a test by the key of its entry.
        rules: the rules of a test's marker by the key of its entry.
    """

    folder: Path
    terms: Terms
    names: dict[str, str] = field(default_factory=dict)
    rules: dict[str, Sequence[Rule]] = field(default_factory=dict)


class Notes:
    """Writes them, a line each, as they become known.

    Args:
        folder: the run's own, where its spool is.
    """

    def __init__(self, folder: Path, terms: Terms) -> None:
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._write({"version": VERSION, **asdict(terms)})

    def test(self, key: str, test: str, rules: Sequence[Rule]) -> None:
        """A test's entry is opened."""
        self._write({"key": key, "test": test, "rules": [_plain(asdict(rule)) for rule in rules]})

    def close(self) -> None:
        """No more of them."""
        os.close(self._file)

    def _write(self, note: Mapping[str, Any]) -> None:
        try:
            os.write(self._file, json.dumps(note).encode("ascii") + b"\n")
        except OSError as error:
            raise SpoolError(f"Cannot note in {FILE} what a kept run needs to be judged again: {error.strerror or error}.") from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data, whatever it is
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def read(folder: Path) -> Kept:
    """What was kept of a run.

    Raises:
        SpoolError: nothing was, or it is of another version.
    """
    file = folder / FILE
    try:
        first, *rest = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        if first.pop("version") != VERSION:
            raise SpoolError(f"{file} is of another version of pytest-shadowdiff; this one reads version {VERSION}.")
        kept = Kept(folder, Terms(**first))
        for note in rest:
            origins = [(rule.pop("origin"), rule) for rule in note["rules"]]
            kept.names[note["key"]] = note["test"]
            kept.rules[note["key"]] = tuple(rule_from(rule, origin) for origin, rule in origins)
    except FileNotFoundError:
        message = f"{folder} holds no run: `keep = true` in [tool.shadowdiff] keeps one, and the end of its output names the folder."
        raise SpoolError(message) from None
    except OSError as error:
        raise SpoolError(f"{file} cannot be read: {error.strerror or error}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, SettingsError) as error:
        raise SpoolError(f"{file} is damaged: {error}.") from None
    return kept
