"""One way of one pair through the redaction: by names and forms, remembering what was secret."""

from __future__ import annotations

import binascii
import codecs
import csv
import io
import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote, unquote_plus

from pytest_shadowdiff.model import Difference, Exchange, Headers, Pair, Repeat, Request, Response
from pytest_shadowdiff.redact.forms import MARK, may_hold_secret, names_secrets, redact_forms
from pytest_shadowdiff.redact.json_text import redact_json
from pytest_shadowdiff.redact.known import SHORTEST, spellings
from pytest_shadowdiff.redact.names import covers, names_number, names_secret, parameter_secret

Hook = Callable[[str, object], "object | None"]

NAMES = ("id", "test")
"""What names a pair: ours, and the node id, which pytest itself prints."""

_MOST = 200  # secrets remembered of one pair
_DEEPEST = 4  # documents within strings within documents
_TABLES = ("text/csv", "text/tab-separated-values", "application/csv")
_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})
_PATH_NAME = re.compile(r"\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]|\.([^.\[\]\s]+)|/@?([\w.-]+)")
_CHARSET = re.compile(r"(?i)charset\s*=\s*\"?([\w.:-]+)")
_BOUNDARY = re.compile(r"(?i)boundary\s*=\s*(?:\"([^\"]+)\"|([^\s;]+))")
_PART_NAME = re.compile(r"(?i)content-disposition:[^\r\n]*?\bname\s*=\s*(?:\"([^\"]*)\"|([^\s;]+))")
_PARAMETER = re.compile(r"(?:(?<=[?&#])|^)([^=&?#\s\"'<>]{1,200})=([^&#\s\"'<>]+)")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Passage:
    """Redacts by names and forms.

    Attributes:
        seen: every secret that was met, in each of its spellings.
    """

    def __init__(self, mark: Callable[[str], str], hook: Hook | None = None, names: frozenset[str] = frozenset()) -> None:
        self._mark = mark
        self._hook = hook
        self._names = names
        self.seen: set[str] = set()

    def pair(self, pair: Pair) -> Pair:
        """A pair, all of it but what names it."""
        parts: dict[str, Any] = {each.name: getattr(pair, each.name) for each in fields(pair) if each.name not in NAMES}
        return replace(pair, **{name: self._part_of_pair(part) for name, part in parts.items()})

    def _part_of_pair(self, part: object) -> Any:  # noqa: ANN401 - as it came
        if isinstance(part, str) and not isinstance(part, Enum):
            return self.text(part)
        if isinstance(part, tuple):
            return tuple(map(self._part_of_pair, part))
        if isinstance(part, Exchange):
            return self.exchange(part)
        if isinstance(part, Request):
            return self.request(part)
        if isinstance(part, Difference):
            return self.difference(part)
        return Repeat(self.exchange(part.control), self.exchange(part.candidate)) if isinstance(part, Repeat) else part

    def exchange(self, exchange: Exchange | None) -> Exchange | None:
        """An exchange, both its messages."""
        if exchange is None:
            return None
        response = exchange.response and self.response(exchange.response)
        return replace(exchange, request=self.request(exchange.request), response=response, problem=self.text(exchange.problem))

    def request(self, request: Request) -> Request:
        """A request, all of it."""
        return replace(
            request,
            target=self.text(request.target),
            headers=self.headers(request.headers),
            body=self.body(request.body, request.headers),
            trailers=self.headers(request.trailers),
        )

    def response(self, response: Response) -> Response:
        """A response, all of it."""
        return replace(
            response,
            headers=self.headers(response.headers),
            body=self.body(response.body, response.headers),
            trailers=self.headers(response.trailers),
        )

    def difference(self, difference: Difference) -> Difference:
        """A difference, its path and both its values."""
        path = difference.path
        return replace(
            difference,
            path=self.text(path),
            primary=self.value_at(path, difference.primary),
            candidate=self.value_at(path, difference.candidate),
        )

    def headers(self, headers: Headers) -> tuple[tuple[str, str], ...]:
        """Headers or trailers; their names stay."""
        return tuple((name, self.header(name, value)) for name, value in headers)

    def header(self, name: str, value: str) -> str:
        """A header's value; of cookies and credentials what is no secret stays."""
        said = self._ask(name, value)
        if said is not None:
            return str(said)
        lowered = name.lower()
        if lowered in _CREDENTIALS:
            return self._credentials(value)
        if lowered == "cookie":
            return ";".join(self._cookie(each) for each in value.split(";"))
        if lowered == "set-cookie":
            cookie, semicolon, attributes = value.partition(";")
            return f"{self._cookie(cookie)}{semicolon}{attributes}"
        return self.secret(value) if self._names_secret(name) else self.text(value)

    def body(self, body: bytes, headers: Headers) -> bytes:
        """A body without content coding; one that is text comes out in UTF-8."""
        if not body:
            return body
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        charset = _charset(body, kind)
        text = self.document(body.decode(charset or "latin-1"), kind)
        if charset:
            return text.encode("utf-8", "surrogatepass")
        # Of bytes that name a secret nobody here knows where it ends.
        return self._mark(text).encode() if names_secrets(text) else text.encode("latin-1", "backslashreplace")

    def document(self, text: str, kind: str) -> str:
        """A body as text, by its Content-Type."""
        lowered = kind.lower()
        boundary = _BOUNDARY.search(kind)
        if lowered.startswith("multipart/") and boundary:
            delimiter = f"--{boundary[1] or boundary[2]}"
            head, *parts = text.split(delimiter)
            return delimiter.join((head, *(self._part(part) for part in parts)))
        if lowered.startswith("application/x-www-form-urlencoded"):
            return "&".join(self._field(field) for field in text.split("&"))
        if lowered.startswith(_TABLES):
            return self._table(text)
        return self.string("", text)

    def value_at(self, path: str, value: object) -> object:
        """A value of a document or a header, by the names on its path."""
        if path.startswith("header:"):
            return self._header_value(path.removeprefix("header:"), value)
        found = [next(filter(None, groups), "") for groups in _PATH_NAME.findall(path)]
        return self.value(found[-1] if found else "", value, covered=any(self._covers(name) for name in found[:-1]))

    def value(self, name: str, value: object, *, covered: bool = False, depth: int = 0) -> object:
        """A value of a document, of any type, that stands under a name."""
        if isinstance(value, str) and not isinstance(value, Enum):
            return self.string(name, value, covered=covered)
        if isinstance(value, bytes):
            return self.string(name, value.decode("latin-1"), covered=covered).encode("latin-1", "backslashreplace")
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return self._number(name, value, covered=covered)
        covered = covered or self._covers(name) or depth > 10 * _DEEPEST
        if isinstance(value, Mapping):
            return {key: self.value(str(key), item, covered=covered, depth=depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(name, item, covered=covered, depth=depth + 1) for item in value]
        return value

    def string(self, name: str, text: str, *, covered: bool = False, depth: int = 0) -> str:
        """A text that stands under a name: a secret as a whole, or what shows by its form in it, in JSON within it too."""
        said = self._ask(name, text) if name else None
        if said is not None:
            return said if isinstance(said, str) else json.dumps(said, default=str)
        if covered or (name and self._names_secret(name)):
            return self.secret(text)
        if self._hook is None and not self._names and not may_hold_secret(text):
            return text
        if depth < _DEEPEST and text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
            return redact_json(text, lambda below, inside, value: self._leaf(below, value, covered=inside, depth=depth + 1))
        return self.text(text, depth)

    def text(self, text: str, depth: int = 0) -> str:
        """What shows by its form; in parameters also what is percent-encoded in them."""
        redacted = redact_forms(text, self.secret)
        if depth < _DEEPEST and "=" in redacted and (self._hook or self._names or "%" in redacted):
            redacted = _PARAMETER.sub(lambda found: f"{found[1]}={self._parameter(found[1], found[2], depth + 1)}", redacted)
        return redacted

    def secret(self, text: str) -> str:
        """The mark of a secret, which is remembered."""
        self._learn(text)
        return self._mark(text)

    def _learn(self, text: str) -> None:
        if len(text) >= SHORTEST and len(self.seen) < _MOST and not MARK.search(text):
            self.seen |= spellings(text)

    def _ask(self, name: str, value: object) -> object | None:
        return self._hook(name, value) if self._hook is not None else None

    def _names_secret(self, name: str) -> bool:
        return names_secret(name) or name.lower() in self._names

    def _covers(self, name: str) -> bool:
        return covers(name) or name.lower() in self._names

    def _credentials(self, value: str) -> str:
        """The scheme stays, what follows goes; a Basic password is secret wherever else it stands."""
        scheme, space, credentials = value.strip().partition(" ")
        if not space:
            return self.secret(value)
        if scheme.lower() == "basic":
            self._learn(_base64(credentials).partition(":")[2])
        return f"{scheme} {self.secret(credentials.strip())}"

    def _cookie(self, cookie: str) -> str:
        name, equals, value = cookie.partition("=")
        if not equals:
            return self.text(cookie)
        said = self._ask(name.strip(), value)
        return f"{name}={self.secret(value) if said is None else said}"

    def _field(self, field: str) -> str:
        name, equals, value = field.partition("=")
        return f"{name}={self._parameter(name, value)}" if equals else self.text(field)

    def _parameter(self, name: str, value: str, depth: int = 0) -> str:
        """A value of a query or a form, percent-encoded as it is."""
        name, plain = unquote_plus(name), unquote_plus(value)
        said = self._ask(name, plain)
        if said is not None:
            return quote(str(said), safe="[]:")
        if parameter_secret(name, plain) or name.lower() in self._names:
            return self.secret(plain)
        shown = self.string("", plain, depth=depth)
        return value if shown == plain else quote(shown, safe="[]{}:/?&=,'@")

    def _part(self, part: str) -> str:
        """A part of a multipart body: its headers, a blank line, its content."""
        blank = "\r\n\r\n" if "\r\n\r\n" in part else "\n\n"
        head, between, content = part.partition(blank)
        if not between:
            return part
        end = next((end for end in ("\r\n", "\n") if content.endswith(end)), "")
        named = _PART_NAME.search(head)
        name = (named[1] if named[1] is not None else named[2]) if named else ""
        return f"{head}{between}{self.string(name, content[: len(content) - len(end)])}{end}"

    def _table(self, text: str) -> str:
        """Rows of cells (RFC 4180): the first row names the columns."""
        first, newline, rest = text.partition("\n")
        delimiter = max("\t;,", key=first.count)
        secret = {at for at, name in enumerate(first.split(delimiter)) if self._names_secret(name.strip(' \r"'))}
        if not secret:
            return self.string("", text)
        end = "\r\n" if first.endswith("\r") else "\n"
        try:
            return first + newline + self._rows(rest, secret, delimiter, end)
        except csv.Error:
            return self._mark(text)

    def _rows(self, rows: str, secret: set[int], delimiter: str, end: str) -> str:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
        for row in csv.reader(io.StringIO(rows, newline=""), delimiter=delimiter):
            writer.writerow([self.secret(cell) if at in secret else self.string("", cell) for at, cell in enumerate(row)])
        return out.getvalue()

    def _header_value(self, path: str, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return [self._header_value(path, item) for item in value]
        if not isinstance(value, str):
            return value
        name = re.split(r"[^A-Za-z0-9-]", path, maxsplit=1)[0]
        if name.lower() in {"cookie", "set-cookie"} and "=" not in value and name != path:
            return self.secret(value)
        return self.header(name, value)

    def _number(self, name: str, value: object, *, covered: bool) -> object:
        said = self._ask(name, value) if name else None
        if said is not None:
            return said
        return self.secret(str(value)) if covered or names_number(name) or name.lower() in self._names else value

    def _leaf(self, name: str, value: object, *, covered: bool, depth: int) -> object:
        if isinstance(value, str):
            return self.string(name, value, covered=covered, depth=depth)
        return self._number(name, value, covered=covered)


def _charset(body: bytes, kind: str) -> str | None:
    """What the body decodes by: its byte order mark, its declared charset, UTF-8; None for bytes that are no text."""
    declared = _CHARSET.search(kind)
    marked = next((charset for mark, charset in _MARKS if body.startswith(mark)), None)
    for charset in (marked, declared[1] if declared else None, "utf-8"):
        if charset is None:
            continue
        try:
            codecs.lookup(charset)
            body.decode(charset)
        except (LookupError, ValueError):
            continue
        return charset
    return None


def _base64(text: str) -> str:
    try:
        return b64decode(text, validate=False).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
