"""What was appended is read: while it is written, after a crash, from segments, with limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.errors import SpoolError
from pytest_shadowdiff.model import Exchange, Request, Response
from pytest_shadowdiff.spool import Event, Gap, Opened, Reader, Seen, Skipped, Writer
from pytest_shadowdiff.spool import records as raw

REQUEST = Request("GET", "/\xe9?q", (("Host", "a"), ("X", "\xff")), b"\x00body")
EVENTS: list[Event] = [
    Opened("p1", "tests/t.py::t", REQUEST, 1.5, ("primary", "candidate")),
    Seen("p1", "primary", 0, Exchange(REQUEST, Response(200, (("A", "b"),), b"\xff\x00", (("T", "1"),), "1.0"), 1.5, 0.25)),
    Seen(
        "p1", "candidate", 2, Exchange(REQUEST, None, 1.5, None, "no answer", truncated=True, not_seen=frozenset({"body"}), tap="logs of x")
    ),
    Skipped("p2", "an upgrade"),
    Gap("candidate", 1.0, 2.0, "the stream ended"),
    Opened("p3", None, Request("", ""), 0.0, ()),
]


def plain(events: Iterator[Event]) -> list[str]:
    """Events as text, lists and tuples alike."""
    return [repr(event).replace("[", "(").replace("]", ")").replace(",)", ")") for event in events]


def test_what_is_appended_is_read_while_it_is_written(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "spool")
    assert list(reader.events()) == []
    writer = Writer(tmp_path / "spool", "tap")
    assert list(reader.events()) == []
    for event in EVENTS:
        writer.append(event)
        assert plain(reader.events()) == plain(iter([event]))
    writer.close()
    writer.close()
    assert list(reader.events()) == []
    assert plain(Reader(tmp_path / "spool").events()) == plain(iter(EVENTS))


def test_several_writers_keep_their_own_order(tmp_path: Path) -> None:
    writers = [Writer(tmp_path, name) for name in ("a", "b")]
    for number in range(10):
        for writer, name in zip(writers, "ab", strict=True):
            writer.append(Skipped(f"{name}{number}", ""))
    seen = [event.pair for event in Reader(tmp_path).events() if isinstance(event, Skipped)]
    for name in "ab":
        assert [pair for pair in seen if pair[0] == name] == [f"{name}{number}" for number in range(10)]


def test_a_writer_of_the_same_name_begins_a_segment_of_its_own(tmp_path: Path) -> None:
    for pair in ("one", "two"):
        writer = Writer(tmp_path, "tap")
        writer.append(Skipped(pair, ""))
        writer.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert [event.pair for event in Reader(tmp_path).events()] == ["one", "two"]  # type: ignore[union-attr]


def test_segments_follow_each_other_and_go_when_they_were_read(tmp_path: Path) -> None:
    reader, kept = Reader(tmp_path, finished="delete"), Reader(tmp_path)
    writer = Writer(tmp_path, "tap", segment_bytes=200)
    for number in range(50):
        writer.append(Skipped(f"pair{number}", "x" * 50))
    assert len(list(tmp_path.iterdir())) > 10
    assert [event.pair for event in kept.events()] == [f"pair{number}" for number in range(50)]  # type: ignore[union-attr]
    assert [event.pair for event in reader.events()] == [f"pair{number}" for number in range(50)]  # type: ignore[union-attr]
    assert len(list(tmp_path.iterdir())) == 1


@given(cut=st.integers(min_value=0, max_value=10_000))
@settings(max_examples=200, deadline=None)
def test_a_record_that_is_half_there_is_read_when_it_is_whole(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    place = tmp_path_factory.mktemp("spool")
    writer = Writer(place, "tap")
    for event in EVENTS:
        writer.append(event)
    writer.close()
    path = next(place.iterdir())
    whole = path.read_bytes()
    cut %= len(whole)
    path.write_bytes(whole[:cut])
    reader = Reader(place)
    first = plain(reader.events())
    assert first == plain(iter(EVENTS))[: len(first)]
    path.write_bytes(whole)
    assert first + plain(reader.events()) == plain(iter(EVENTS))


def test_a_torn_end_is_passed_over_where_another_segment_follows(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "tap")
    writer.append(Skipped("one", ""))
    writer.append(Skipped("torn", ""))
    writer.close()
    path = next(tmp_path.iterdir())
    os.truncate(path, path.stat().st_size - 1)
    Writer(tmp_path, "tap").append(Skipped("two", ""))
    assert [event.pair for event in Reader(tmp_path).events()] == ["one", "two"]  # type: ignore[union-attr]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "tap")
    for pair in ("one", "two", "three"):
        writer.append(Skipped(pair, "why"))
    writer.close()
    path = next(tmp_path.iterdir())
    data = bytearray(path.read_bytes())
    data[data.index(b"two")] ^= 1
    path.write_bytes(data)
    reader = Reader(tmp_path).events()
    assert next(reader) == Skipped("one", "why")
    with pytest.raises(SpoolError, match=r"tap\.00001\.spool is damaged: the record at byte \d+ does not match its checksum"):
        next(reader)


def test_another_version_and_another_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "tap.00001.spool").write_bytes(raw.MAGIC + b"\x09\x00")
    with pytest.raises(SpoolError, match="is of another version of the format; this program reads version 1"):
        list(Reader(tmp_path).events())
    (tmp_path / "tap.00001.spool").write_bytes(b"PK\x03\x04" + b"x" * 40)
    with pytest.raises(SpoolError, match="is no segment of a spool"):
        list(Reader(tmp_path).events())


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    Writer(tmp_path / "new", "tap").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert next((tmp_path / "new").iterdir()).stat().st_mode & 0o777 == 0o600


def test_the_bound_on_disk_is_named_and_what_was_read_makes_room(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "tap", segment_bytes=1000, max_bytes=5000)

    def fill() -> None:
        for number in range(1000):
            writer.append(Skipped(f"pair{number}", "x" * 100))

    with pytest.raises(SpoolError, match=r"would grow beyond 5000 bytes \(max_spool\): nothing more is recorded"):
        fill()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000
    assert len(list(Reader(tmp_path, finished="delete").events())) > 20
    writer.append(Skipped("more", ""))


def test_a_full_disk_is_named_and_what_stands_is_whole(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from pytest_shadowdiff.errors import SpoolError
        from pytest_shadowdiff.spool import Skipped, Writer
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        writer = Writer(Path(sys.argv[1]), "tap")
        count = 0
        try:
            while True:
                writer.append(Skipped(f"pair{count}", "x" * 300))
                count += 1
        except SpoolError as error:
            print(count, error)
    """)
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    count, _, message = out.partition(" ")
    assert message.startswith(f"Cannot write to the spool in {tmp_path}: File too large. Free the disk")
    assert len(list(Reader(tmp_path).events())) == int(count) > 10


def record_open(pair: str, *, more: bool = False, body: bytes = b"", framing: int = raw.NONE) -> raw.OpenRecord:
    return raw.OpenRecord(pair, "t", 1.0, 3, 3, more, framing, b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n" + body)


def record_seen(pair: str, role: int, wire: bytes, framing: int = raw.LENGTH) -> raw.SeenRecord:
    return raw.SeenRecord(pair, role, 0, 1.0, 0.1, "", False, raw.AS_OPENED, 0, framing, b"", wire)  # noqa: FBT003  # as the fields stand


def test_long_messages_come_in_pieces_and_are_read_whole(tmp_path: Path) -> None:
    writer, reader = Writer(tmp_path, "relay", segment_bytes=100_000), Reader(tmp_path, finished="delete")
    block = bytes(range(256)) * 200
    writer.put(raw.OPEN, record_open("p", more=True, body=b"a"))
    for _ in range(5):
        writer.put(raw.PART, raw.PartRecord("p", raw.REQUEST, 0, block))
        writer.put(raw.PART, raw.PartRecord("p", 0, 0, block))
        writer.flush()
        assert list(reader.events()) == []
    writer.put(raw.REST, raw.RestRecord("p", b"z"))
    writer.put(raw.SEEN, record_seen("p", 0, b"end"))
    writer.put(raw.SEEN, record_seen("p", 1, b"HTTP/1.1 200 OK\r\n\r\nbody"))
    writer.flush()
    opened, primary, candidate = reader.events()
    assert isinstance(opened, Opened)
    assert opened.request.body == b"a" + block * 5 + b"z"
    assert isinstance(primary, Seen)
    assert primary.exchange.request == opened.request
    assert isinstance(candidate, Seen)
    assert candidate.exchange.response == Response(200, (), b"body")
    list(reader.events())
    writer.close()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_request_that_never_ends_is_opened_at_the_end(tmp_path: Path) -> None:
    writer, reader = Writer(tmp_path, "relay"), Reader(tmp_path)
    writer.put(raw.OPEN, record_open("p", more=True, body=b"half"))
    writer.flush()
    assert list(reader.events()) == []
    (opened,) = reader.events(final=True)
    assert isinstance(opened, Opened)
    assert opened.request.body == b"half"
    assert list(reader.events(final=True)) == []


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=5),
    extension=st.sampled_from([b"", b";a=b", b" ; x"]),
    trailers=st.lists(st.tuples(st.sampled_from(["A", "b-c"]), st.sampled_from(["", "1", "\xe9"])), max_size=3),
)
@settings(deadline=None)
def test_chunks_are_taken_off(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], extension: bytes, trailers: list[tuple[str, str]]
) -> None:
    place = tmp_path_factory.mktemp("spool")
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n"
    framed += "".join(f"{name}: {value}\r\n" for name, value in trailers).encode("latin-1") + b"\r\n"
    writer = Writer(place, "relay")
    writer.put(raw.OPEN, record_open("p"))
    writer.put(raw.SEEN, record_seen("p", 0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed, raw.CHUNKED))
    writer.close()
    _, seen = Reader(place).events()
    assert isinstance(seen, Seen)
    assert seen.exchange.response is not None
    assert seen.exchange.response.body == b"".join(chunks)
    assert list(seen.exchange.response.trailers) == trailers


def test_memory_stays_flat(tmp_path: Path) -> None:
    writer, reader = Writer(tmp_path, "relay", segment_bytes=200_000), Reader(tmp_path, finished="delete")

    def run(count: int) -> None:
        for number in range(count):
            pair = f"p{number}"
            writer.put(raw.OPEN, record_open(pair))
            for role in (0, 1):
                writer.put(raw.SEEN, record_seen(pair, role, b"HTTP/1.1 200 OK\r\n\r\nbody"))
            if number % 100 == 0:
                writer.flush()
                for _ in reader.events():
                    pass

    run(2_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(20_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_a_request_that_takes_long_is_opened_as_it_is_and_completed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_shadowdiff.spool.reader.HELD_SECONDS", 0.0)
    writer, reader = Writer(tmp_path, "relay"), Reader(tmp_path)
    writer.put(raw.OPEN, record_open("p", more=True, body=b"half"))
    writer.flush()
    (opened,) = reader.events()
    assert isinstance(opened, Opened)
    assert opened.request.body == b"half"
    writer.put(raw.REST, raw.RestRecord("p", b" and half"))
    writer.put(raw.SEEN, record_seen("p", 0, b"HTTP/1.1 200 OK\r\n\r\n"))
    writer.close()
    (seen,) = reader.events()
    assert isinstance(seen, Seen)
    assert seen.exchange.request.body == b"half and half"


def test_what_was_read_is_compressed_when_there_is_nothing_else_to_read(tmp_path: Path) -> None:
    writer, reader, other = Writer(tmp_path, "tap", segment_bytes=20_000), Reader(tmp_path, finished="compress"), Reader(tmp_path)
    for number in range(300):
        writer.append(Skipped(f"pair{number}", "x" * 300))
        if number == 100:
            assert len(list(other.events())) == 101  # stands in the middle of a segment when it is compressed
    assert len(list(reader.events())) == 300
    assert not list(tmp_path.glob("*.gz"))
    assert list(reader.events()) == []
    packed = list(tmp_path.glob("*.gz"))
    assert len(packed) > 3
    assert {path.stat().st_mode & 0o777 for path in packed} == {0o600}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 50_000
    assert len(list(other.events())) == 199
    assert [event.pair for event in Reader(tmp_path).events()] == [f"pair{number}" for number in range(300)]  # type: ignore[union-attr]
    writer.append(Skipped("last", ""))
    assert [event.pair for event in reader.events()] == ["last"]  # type: ignore[union-attr]
