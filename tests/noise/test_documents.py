"""The documents that noise is looked for in."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import partial

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from pytest_shadowdiff.model import Response
from pytest_shadowdiff.noise.documents import UNREAD, document

DOCUMENT = {"a": [1, {"b": 'a "quoted" \\ text'}], "c": None}
BODY = json.dumps(DOCUMENT).encode()

squeezed = partial(gzip.compress, mtime=0)
"""The same bytes at any time: what names a test must be the same in every worker."""


def read(body: bytes, *codings: str) -> object:
    return document(Response(200, [("Content-Encoding", coding) for coding in codings], body))


@pytest.mark.parametrize(
    "body,codings",
    [
        (BODY, ()),
        (BODY, ("identity",)),
        (squeezed(BODY), ("gzip",)),
        (zlib.compress(BODY), ("deflate",)),
        (brotli.compress(BODY), ("br",)),
        (zstandard.compress(BODY), ("zstd",)),
        (squeezed(brotli.compress(BODY)), ("br, gzip",)),
        (squeezed(brotli.compress(BODY)), ("br", "gzip")),
    ],
)
def test_every_coding_is_taken_off(body: bytes, codings: tuple[str, ...]) -> None:
    assert read(body, *codings) == DOCUMENT


def test_each_value_of_a_name_is_kept() -> None:
    assert read(b'{"a": 1, "b": {"a": 2, "a": [3], "a": 2}}') == {"a": 1, "b": {"a": [2, [3], 2]}}
    assert read(b'{"a": "\\u0022", "a": 1}') == {"a": ['"', 1]}


@pytest.mark.parametrize(
    "body,codings",
    [
        (b"", ()),
        (b"", ("gzip",)),
        (b"text", ()),
        (b"12", ()),
        (b'{"a": ', ()),
        (BODY, ("gzip",)),
        (squeezed(BODY)[:-3], ("gzip",)),
        (BODY, ("compress",)),
        (squeezed(b'{"a": "' + bytes(3_000_000).replace(b"\0", b"x") + b'"}'), ("gzip",)),
        (b'["' + b"x" * 3_000_000 + b'"]', ()),
        (BODY, tuple(["identity"] * 3 + ["br"] * 9)),
    ],
)
def test_what_cannot_be_read_is_left_out(body: bytes, codings: tuple[str, ...]) -> None:
    assert read(body, *codings) is UNREAD
