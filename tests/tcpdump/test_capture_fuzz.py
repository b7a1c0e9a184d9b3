"""Whatever is captured: no crash, no hang."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.captures.exchanges import exchanges_of
from pytest_shadowdiff.captures.files import exchanges
from pytest_shadowdiff.captures.segments import Segment
from pytest_shadowdiff.errors import SettingsError

pytest.importorskip("scapy", reason="no scapy: install the extra `capture`")

PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 X\r\n\r\n",
        b"hello",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"\r\n",
        b"GET ",
        b"HTTP/",
        b"\x16\x03\x01",
        b"ffffffffffff\r\n",
    ]
)
SEGMENTS = st.lists(
    st.builds(
        lambda outward, seq, ack, payload, flags, missing, lossy: Segment(
            1.0,
            ("a", 1) if outward else ("b", 2),
            ("b", 2) if outward else ("a", 1),
            seq,
            ack,
            payload,
            syn=flags == 1,
            fin=flags == 2,
            reset=flags == 3,
            missing=missing,
            lossy=lossy,
        ),
        st.booleans(),
        st.one_of(st.integers(0, 200), st.integers(0, 2**32 - 1), st.none()),
        st.one_of(st.integers(0, 200), st.none()),
        st.one_of(PIECES, st.lists(PIECES, max_size=4).map(b"".join), st.binary(max_size=40)),
        st.integers(0, 12),
        st.sampled_from([0, 0, 0, 7]),
        st.booleans(),
    ),
    max_size=25,
)


@given(SEGMENTS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_segments_break_the_reader(segments: list[Segment]) -> None:
    for one in exchanges_of(segments, "t", Counter()):
        assert one.exchange.response is not None or one.exchange.problem


@given(st.binary(max_size=600))
@settings(max_examples=200, deadline=None)
def test_no_packet_breaks_the_reader(packet: bytes) -> None:
    size = len(packet).to_bytes(4, "little")
    for link in (1, 113, 276, 0, 101):
        header = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + (65536).to_bytes(4, "little") + link.to_bytes(4, "little")
        check(header + bytes(8) + size + size + packet)


@given(st.binary(max_size=300), st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\n\r\r\n", b"\x1f\x8b"]))
@settings(max_examples=200, deadline=None)
def test_no_file_breaks_the_reader(rest: bytes, magic: bytes) -> None:
    check(magic + rest)


HEAD = "05:47:50.159513 IP a.1 > b.80: Flags [P.], seq 1:20, ack 1, win 254, length 19: HTTP\n"


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300), st.text(alphabet="[]S.PF, seqackoptionslength:0123456789", max_size=60)
)
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_reader(dump: str, line: str) -> None:
    check((HEAD + dump + "\n" + HEAD.replace(", win 254", line) + dump + "GET / HTTP/1.1\n\n").encode())


def check(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(content)
        try:
            list(exchanges(path, Counter()))
        except SettingsError as error:
            assert str(path) in str(error)  # noqa: PT017 - the refusal is one of two good ends
