from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.envoy.chunked import Dechunker
from pytest_shadowdiff.envoy.tapstream import Splitter
from pytest_shadowdiff.envoy.traces import traced
from pytest_shadowdiff.errors import MirrorError

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(st.text(), values, min_size=1, max_size=4), max_size=6)


def printed(found: list[dict[str, Any]]) -> bytes:
    """As Envoy prints one object after the other."""
    return b"".join(json.dumps(one, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n" for one in found)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    at = 0
    for cut in sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)}):
        yield data[at:cut]
        at = cut


@given(objects, st.lists(st.integers(0, 10**6), max_size=40))
def test_objects_are_whole_wherever_the_stream_is_cut(found: list[dict[str, Any]], cuts: list[int]) -> None:
    splitter = Splitter(10**6)
    assert [one for block in pieces(printed(found), cuts) for one in splitter.feed(block)] == found


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.lists(st.integers(0, 10**6), max_size=40))
def test_chunks_come_off_wherever_the_stream_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(b"%x;note=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    dechunker = Dechunker()
    assert b"".join(dechunker.feed(block) for block in pieces(wire, cuts)) == b"".join(chunks)
    assert dechunker.ended


@pytest.mark.parametrize("data", [b"nonsense\n}\n", b"[1]\n}\n", b"{}x\n}\n"])
def test_what_is_no_stream_of_objects_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(MirrorError, match="no JSON object"):
        list(Splitter(1000).feed(data))


def test_an_object_has_a_largest_size() -> None:
    splitter = Splitter(1000)
    assert list(splitter.feed(b" " * 900)) == []
    with pytest.raises(MirrorError, match="an object of more than 1000 bytes"):
        list(splitter.feed(b" " * 101))


def test_a_stream_of_many_objects_holds_no_more_than_one() -> None:
    splitter = Splitter(1000)
    block = printed([{"a": "b" * 500}])
    assert sum(len(list(splitter.feed(block))) for _ in range(2000)) == 2000


@pytest.mark.parametrize("data", [b"zz\r\n", b"-1\r\n", b"1" * 300])
def test_what_is_not_chunked_is_said_not_to_be(data: bytes) -> None:
    with pytest.raises(MirrorError, match="no chunked stream"):
        Dechunker().feed(data)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"http_buffered_trace": {}},
        {"http_buffered_trace": {"request": {"headers": [{"key": ":method"}]}}},
        {"http_streamed_trace_segment": {"request_headers": {}}},
        {
            "http_buffered_trace": {
                "request": {"headers": [{"key": ":method", "value": "GET"}, {"key": ":path", "value": "/"}]},
                "response": 1,
            }
        },
    ],
)
def test_an_object_that_is_no_trace_is_said_to_be_none(found: dict[str, Any]) -> None:
    with pytest.raises(MirrorError, match="no HTTP trace"):
        traced(found)
