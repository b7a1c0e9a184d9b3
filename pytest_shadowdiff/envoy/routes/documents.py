"""YAML in which every value knows its place. Nothing is interpreted here, and no file can cost more than its bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from pytest_shadowdiff.errors import SettingsError

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 50_000
MAX_DEPTH = 60

Scalar = str | int | float | bool | None

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands; line and column count from one."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a document, its place, and its path from the document's root (`spec.http[0].mirror`)."""

    place: Place
    path: str
    content: Scalar | Sequence[Value] | Mapping[str, Value]

    def refuse(self, message: str) -> SettingsError:
        """The error that says what is wrong with this value."""
        return SettingsError(f"{self.place}: {self.path}: {message}" if self.path else f"{self.place}: {message}")

    def mapping(self) -> Mapping[str, Value]:
        """The fields, where this is a mapping."""
        if isinstance(self.content, Mapping):
            return self.content
        raise self.refuse(f"a mapping is needed, not {self._shown()}")

    def items(self) -> Sequence[Value]:
        """The elements, where this is a list."""
        if isinstance(self.content, Sequence) and not isinstance(self.content, str):
            return self.content
        raise self.refuse(f"a list is needed, not {self._shown()}")

    def text(self) -> str:
        """The text; a number or `true` without quotes is none."""
        if isinstance(self.content, str):
            return self.content
        raise self.refuse(f"text is needed, not {self._shown()}" + ("; put it in quotes" if isinstance(self.content, (int, float)) else ""))

    def flag(self) -> bool:
        """`true` or `false`."""
        if isinstance(self.content, bool):
            return self.content
        raise self.refuse(f"true or false is needed, not {self._shown()}")

    def number(self, low: float, high: float) -> float:
        """A number within bounds."""
        if isinstance(self.content, (int, float)) and not isinstance(self.content, bool):
            if low <= self.content <= high:
                return self.content
            raise self.refuse(f"{self.content} is outside {low:g} to {high:g}")
        raise self.refuse(f"a number is needed, not {self._shown()}")

    def integer(self, low: int, high: int) -> int:
        """A whole number within bounds."""
        number = self.number(low, high)
        if number != int(number):
            raise self.refuse(f"a whole number is needed, not {self.content}")
        return int(number)

    def choice(self, *allowed: str) -> str:
        """One of some words."""
        text = self.text()
        if text in allowed:
            return text
        near = get_close_matches(text, allowed, 1)
        raise self.refuse(f"{text!r} is none of {', '.join(allowed)}" + (f"; did you mean {near[0]}?" if near else ""))

    def _shown(self) -> str:
        if self.content is None:
            return "nothing"
        if isinstance(self.content, Mapping):
            return "a mapping"
        return repr(self.content) if isinstance(self.content, (str, int, float)) else "a list"


def read(path: Path) -> Iterator[Value]:
    """The documents of a YAML file; empty ones are left out.

    Raises:
        SettingsError: the file cannot be read, is no YAML, or is larger than any route file would be.
    """
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise SettingsError(f"{path}: the route file cannot be read: {error.strerror or error}") from None
    if size > MAX_BYTES:
        raise SettingsError(f"{path}: {size} bytes; a route file may have {MAX_BYTES}")
    yield from parse(text, str(path))


def parse(text: bytes | str, file: str) -> Iterator[Value]:
    """The documents in YAML text; `file` names it in errors."""
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise SettingsError(f"{place}: no valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{file}: no valid YAML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{file}: nested too deep; a route file may nest {MAX_DEPTH} levels") from None
    reader = _Reader(file)
    for node in nodes:
        value = reader.value(node, "", 0)
        if value.content is not None:
            yield value


class _Reader:
    """Turns nodes into values, counting: an alias is walked each time it is used, so bombs run into the bound."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._left = MAX_VALUES

    def value(self, node: yaml.Node, path: str, depth: int) -> Value:
        place = Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            bound = f"{MAX_VALUES} values" if self._left < 0 else f"{MAX_DEPTH} levels"
            raise SettingsError(f"{place}: more than {bound} (aliases counted each time); a route file has fewer")
        if isinstance(node, yaml.MappingNode):
            return Value(place, path, self._mapping(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            return Value(place, path, [self.value(item, f"{path}[{at}]", depth + 1) for at, item in enumerate(node.value)])
        if not isinstance(node, yaml.ScalarNode):
            raise TypeError(node)
        return Value(place, path, _scalar(node, Value(place, path, None)))

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Value]:
        content: dict[str, Value] = {}
        for key, item in node.value:
            place = Place(self._file, key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise Value(place, path, None).refuse("a key has to be plain text (no merge key, no mapping)")
            name = key.value
            if name in content:
                raise Value(place, f"{path}.{name}" if path else name, None).refuse("stands twice in one mapping")
            value = self.value(item, f"{path}.{name}" if path else name, depth + 1)
            content[name] = value if isinstance(item, yaml.ScalarNode) else Value(place, value.path, value.content)
        return content


def _scalar(node: yaml.ScalarNode, shell: Value) -> Scalar:
    text: str = node.value
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in {"yes", "true", "on"}
    if kind == "int" and _INTEGER.match(text):
        return int(text)
    if kind in {"int", "float"} and _FLOAT.match(text):
        return float(text)
    if kind in {"str", "int", "float", "timestamp", "value"}:
        return text
    raise shell.refuse(f"the tag {node.tag!r} has no meaning here")
