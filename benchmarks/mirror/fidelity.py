"""The byte-level cases of the relay's tests, through other mirrors too: what reaches the other side unchanged."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from peers import MissingError, Peer

from tests.relay.conftest import OK, Version, serve
from tests.relay.conftest import Peer as Raw
from tests.relay.test_fidelity import ANSWERS, GET, REQUESTS, once

SECONDS = 3.0


def fidelity(peers: dict[str, Peer]) -> dict[str, dict[str, str]]:
    """For each mirror and case: the bytes came as they were sent, with more in the head, or changed."""
    results: dict[str, dict[str, str]] = {}
    for name, peer in peers.items():
        try:
            results[name] = {
                **{f"request: {case}": _request(peer, request) for case, request in REQUESTS.items()},
                **{f"answer: {case}": _answer(peer, answer) for case, answer in ANSWERS.items()},
            }
        except MissingError as error:
            print(f"{name:13} left out: {error}")
    _shown(results)
    return results


def _request(peer: Peer, request: bytes) -> str:
    primary, candidate = Version("v1", serve()), Version("v2", serve())
    _through(peer, primary, candidate, request, len(OK))
    return _compared(request, primary.requests[0] if primary.requests else b"")


def _answer(peer: Peer, answer: bytes) -> str:
    primary, candidate = Version("v1", once(answer)), Version("v2", serve())  # type: ignore[arg-type]
    return _compared(answer, _through(peer, primary, candidate, GET, len(answer)))


def _compared(sent: bytes, got: bytes) -> str:
    if sent == got:
        return "same"
    (first, _, sent_body), (second, _, got_body) = sent.partition(b"\r\n\r\n"), got.partition(b"\r\n\r\n")
    lines = iter(second.split(b"\r\n"))
    kept = all(line in lines for line in first.split(b"\r\n"))  # in the same order: `in` takes from the iterator
    return "more" if kept and sent_body == got_body else "changed"


def _through(peer: Peer, primary: Version, candidate: Version, request: bytes, size: int) -> bytes:
    try:
        with (
            tempfile.TemporaryDirectory() as place,
            peer(primary.port, candidate.port, Path(place)) as running,
            socket.create_connection(("127.0.0.1", running.port), SECONDS) as sock,
        ):
            caller = Raw(sock)
            sock.settimeout(SECONDS)
            caller.send(request)
            return _read(caller, size)
    finally:
        primary.stop()
        candidate.stop()


def _read(caller: Raw, size: int) -> bytes:
    """What comes; as a mirror may add to the head, until nothing more comes for a moment."""
    got = b""
    try:
        got = caller.read(size)
        caller.sock.settimeout(0.3)
        return got + caller.read_to_end()
    except OSError:
        return got + caller.seen


def _shown(results: dict[str, dict[str, str]]) -> None:
    names = list(results)
    print(f"\n{'case':52}" + "".join(f"{name:>14}" for name in names))
    for case in next(iter(results.values()), {}):
        print(f"{case:52}" + "".join(f"{results[name][case]:>14}" for name in names))
    for kind in ("same", "more"):
        counts = [sum(value == kind for value in results[name].values()) for name in names]
        print(f"{kind:52}" + "".join(f"{count:>11}/{len(results[name])}" for count, name in zip(counts, names, strict=True)))
