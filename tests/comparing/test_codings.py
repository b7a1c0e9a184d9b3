"""Content codings: taken off exactly, a piece at a time, and a bomb stops at the limit that it names."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from pytest_shadowdiff import IncompleteError, Response, compare

BODY = json.dumps({"values": list(range(200))}).encode()
OTHER = json.dumps({"values": [*range(199), 0]}).encode()


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def coded(coding: str, body: bytes) -> Response:
    return Response(200, (("Content-Type", "application/json"), ("Content-Encoding", coding)), body)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_within_is_compared(coding: str) -> None:
    code = CODINGS[coding]
    spaced = json.dumps(json.loads(BODY), indent=1).encode()
    assert compare(coded(coding, code(BODY)), coded(coding, code(spaced))) == []
    assert [d.path for d in compare(coded(coding, code(BODY)), coded(coding, code(OTHER)))] == ["$.values[199]"]


def test_other_ways_to_write_the_same() -> None:
    assert compare(coded("gzip", gzip.compress(BODY, 1)), coded("gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]))) == []
    assert compare(coded("deflate", zlib.compress(BODY)), coded("deflate", _raw_deflate(BODY))) == []
    frames = zstandard.compress(BODY[:50]) + zstandard.compress(BODY[50:])
    assert compare(coded("zstd", zstandard.compress(BODY)), coded("zstd", frames)) == []
    stacked = gzip.compress(brotli.compress(BODY))
    assert compare(coded("br, gzip", stacked), coded("br, gzip", gzip.compress(brotli.compress(BODY, quality=1)))) == []


def test_another_coding_is_a_difference_of_that_header_alone() -> None:
    assert [d.path for d in compare(coded("gzip", gzip.compress(BODY)), coded("br", brotli.compress(BODY)))] == ["header:content-encoding"]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("spoil", ["cut", "garbage"])
def test_what_does_not_decode_is_incomplete(coding: str, spoil: str) -> None:
    whole = CODINGS[coding](BODY)
    broken = whole[:-6] if spoil == "cut" else b"no coding at all" * 4
    with pytest.raises(IncompleteError, match=f"candidate's body does not decode as {coding.removeprefix('x-')}"):
        compare(coded(coding, whole), coded(coding, broken))


def test_an_unknown_coding_is_compared_by_its_bytes_or_not_at_all() -> None:
    assert compare(coded("rot13", b"a"), Response(200, (*coded("rot13", b"a").headers, ("X-A", "1")), b"a"))[0].path == "header:x-a"
    with pytest.raises(IncompleteError, match="'rot13' is not known"):
        compare(coded("rot13", b"a"), coded("rot13", b"b"))


def test_identical_answers_are_equal_whatever_they_hold() -> None:
    assert compare(coded("gzip", b"no gzip"), coded("gzip", b"no gzip")) == []


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_stops_at_the_limit_that_it_names(coding: str) -> None:
    bomb = CODINGS[coding](bytes(64 * 1024 * 1024))
    with pytest.raises(IncompleteError, match=r"max_body|max_ratio"):
        compare(coded(coding, CODINGS[coding](BODY)), coded(coding, bomb))


def test_codings_stacked_without_end_are_refused() -> None:
    with pytest.raises(IncompleteError, match="9 content codings"):
        compare(coded("gzip, " * 9, b"a"), coded("gzip, " * 9, b"b"))
