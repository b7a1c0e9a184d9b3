"""Reads what a mirror records, while it records: decoded exchanges, brought together into pairs, and counted.

    python reading.py spool|stream|files|gor WHERE COUNT

The same work for each: a pair counts when both of its answers are there as values: status, headers, body as bytes.
Envoy's JSON is read with the fastest parser there is, GoReplay's file as it is.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from pytest_shadowdiff.envoy.chunked import Dechunker
from pytest_shadowdiff.envoy.tapstream import Splitter
from pytest_shadowdiff.envoy.traces import traced
from pytest_shadowdiff.spool import Reader, Seen
from pytest_shadowdiff.spool.http import response_of
from pytest_shadowdiff.spool.records import LENGTH

Ids = Iterator[str]
"""The id of a pair each time that one of its answers is there; empty where nothing is new."""
PAUSE = 0.005
_END = "\n🐵🙈🙉\n".encode()


def spool(where: str) -> Ids:
    reader = Reader(Path(where), finished="delete")
    while True:
        for event in reader.events():
            if isinstance(event, Seen) and not event.exchange.problem:
                yield event.pair
        yield ""


def stream(where: str) -> Ids:
    output = {
        "sinks": [{"format": "JSON_BODY_AS_BYTES", "streaming_admin": {}}],
        "max_buffered_rx_bytes": 65536,
        "max_buffered_tx_bytes": 65536,
    }
    body = json.dumps({"config_id": "both", "tap_config": {"match": {"any_match": True}, "output_config": output}}).encode()
    dechunker, splitter = Dechunker(), Splitter(1 << 20)
    with socket.create_connection(("127.0.0.1", int(where))) as sock:
        sock.sendall(b"POST /tap HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        held = b""
        while b"\r\n\r\n" not in held:
            held += sock.recv(65536)
        block = held.partition(b"\r\n\r\n")[2]
        while True:
            for found in splitter.feed(dechunker.feed(block)):
                yield _id(found)
            yield ""
            block = sock.recv(1 << 20)


def files(where: str) -> Ids:
    while True:
        with os.scandir(where) as entries:
            paths = [entry.path for entry in entries]
        for path in paths:
            try:
                found = orjson.loads(Path(path).read_bytes())
            except orjson.JSONDecodeError:  # it is still being written
                continue
            os.unlink(path)  # noqa: PTH108  # a path is slow to make, and there are two for each pair
            yield _id(found)
        yield ""


def _id(found: dict[str, object]) -> str:
    exchange = traced(found).exchange
    return next(value for name, value in exchange.request.headers if name == "x-request-id") if exchange.response else ""


def gor(where: str) -> Ids:
    held = b""
    while not Path(where).exists():
        yield ""
    with Path(where).open("rb") as file:
        while True:
            *records, held = (held + file.read(1 << 20)).split(_END)
            for record in records:
                head, _, payload = record.partition(b"\n")
                kind, pair, *_ = head.split(b" ")
                if kind != b"1" and response_of(payload, LENGTH) is not None:
                    yield pair.decode("ascii")
            yield ""


def count(ids: Ids, out: Path) -> None:
    """Write how many pairs there are, as often as nothing is new, and at least ten times a second."""
    half: set[str] = set()
    pairs, said = 0, 0.0
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT, 0o600)
    for pair in ids:
        if pair in half:
            half.discard(pair)
            pairs += 1
        elif pair:
            half.add(pair)
        now = time.monotonic()
        if not pair or now - said > 0.1:
            os.pwrite(descriptor, b"%020d" % pairs, 0)
            said = now
        if not pair:
            time.sleep(PAUSE)


if __name__ == "__main__":
    ways = {"spool": spool, "stream": stream, "files": files, "gor": gor}
    count(ways[sys.argv[1]](sys.argv[2]), Path(sys.argv[3]))
