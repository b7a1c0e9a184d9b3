"""Captures -> exchanges: every way in which packets come, and every way in which they do not."""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.captures.exchanges import Seen
from pytest_shadowdiff.captures.files import exchanges
from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Exchange

scapy_all = pytest.importorskip("scapy.all", reason="no scapy: install the extra `capture`")

Write = Callable[..., Path]
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


@dataclass
class Conversation:
    """A TCP connection, packet by packet."""

    port: int
    server_port: int = 80
    v6: bool = False
    mss: int = 400
    seq: dict[str, int] = field(default_factory=lambda: {"c": 1000, "s": 4_294_967_000})
    packets: list[Any] = field(default_factory=list)
    clock: float = 1_600_000_000.0

    def _packet(self, side: str, flags: str, payload: bytes = b"", *, options: Sequence[Any] = ()) -> None:
        inet, inet6, l2 = scapy_all.IP, scapy_all.IPv6, scapy_all.Ether
        source, target = (CLIENT, SERVER) if side == "c" else (SERVER, CLIENT)
        sport, dport = (self.port, self.server_port) if side == "c" else (self.server_port, self.port)
        other = "s" if side == "c" else "c"
        ip = inet6(src=f"fd00::{source[-1]}", dst=f"fd00::{target[-1]}") if self.v6 else inet(src=source, dst=target)
        tcp = scapy_all.TCP(
            sport=sport, dport=dport, flags=flags, seq=self.seq[side], ack=self.seq[other] if "A" in flags else 0, options=list(options)
        )
        packet = l2(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ip / tcp / payload
        self.clock += 0.001
        packet.time = self.clock
        self.packets.append(packet)
        self.seq[side] = (self.seq[side] + len(payload) + ("S" in flags) + ("F" in flags)) % 2**32

    def open(self) -> Conversation:
        self._packet("c", "S")
        self._packet("s", "SA")
        self._packet("c", "A")
        return self

    def send(self, side: str, data: bytes) -> Conversation:
        for at in range(0, len(data), self.mss):
            self._packet(side, "PA", data[at : at + self.mss])
        self._packet("s" if side == "c" else "c", "A")
        return self

    def keep_alive(self, side: str) -> Conversation:
        self.seq[side] = (self.seq[side] - 1) % 2**32
        self._packet(side, "A", b"\0")
        return self

    def close(self) -> Conversation:
        self._packet("c", "FA")
        self._packet("s", "FA")
        self._packet("c", "A")
        return self


def request(number: int, body: bytes = b"", method: str = "GET") -> bytes:
    length = f"content-length: {len(body)}\r\n" if body else ""
    return f"{method} /item/{number} HTTP/1.1\r\nhost: v1\r\nx-shadowdiff-id: pair-{number}\r\n{length}\r\n".encode() + body


def response(number: int, *, chunked: bool = False, size: int = 1500) -> bytes:
    body = (f"{number}:" + "x" * size).encode()
    if not chunked:
        return f"HTTP/1.1 200 OK\r\nx-number: {number}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    middle = len(body) // 2
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:middle], body[middle:]))
    return f"HTTP/1.1 200 OK\r\nx-number: {number}\r\ntransfer-encoding: chunked\r\n\r\n".encode() + pieces + b"0\r\n\r\n"


def read(path: Path) -> tuple[list[Exchange], Counter[str]]:
    left_out: Counter[str] = Counter()
    seen: list[Seen] = list(exchanges(path, left_out))
    return [one.exchange for one in seen], left_out


def whole(exchange: Exchange, number: int, size: int = 1500) -> bool:
    response = exchange.response
    assert exchange.request.target == f"/item/{number}"
    return not exchange.problem and response is not None and response.body == (f"{number}:" + "x" * size).encode()


def simple(*, count: int = 3, port: int = 40000, chunked: bool = False, v6: bool = False) -> Any:
    conversation = Conversation(port, v6=v6).open()
    for number in range(count):
        conversation.send("c", request(number)).send("s", response(number, chunked=chunked))
    return conversation.close()


@pytest.mark.parametrize("name", ["capture.pcap", "capture.pcapng"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("v6", [False, True])
def test_requests_on_one_connection(written: Write, name: str, *, chunked: bool, v6: bool) -> None:
    found, left_out = read(written(simple(chunked=chunked, v6=v6).packets, name))
    assert [whole(exchange, number) for number, exchange in enumerate(found)] == [True] * 3
    assert not left_out
    assert found[0].started == pytest.approx(1_600_000_000.004)
    assert found[0].seconds is not None
    assert 0 < found[0].seconds < 0.1


def test_a_packed_file_and_nanoseconds(written: Write) -> None:
    plain = written(simple().packets, "n.pcap", nano=True)
    packed = plain.with_suffix(".gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [len(read(path)[0]) for path in (plain, packed)] == [3, 3]


@pytest.mark.parametrize("link", ["vlan", "qinq", "cooked", "cooked2", "loopback", "raw"])
def test_every_kind_of_link(written: Write, link: str) -> None:
    scapy = scapy_all

    def wrapped(packet: Any) -> Any:
        ip = packet.getlayer(scapy.IP)
        made = {
            "vlan": lambda: scapy.Ether() / scapy.Dot1Q(vlan=7) / ip,
            "qinq": lambda: scapy.Ether() / scapy.Dot1AD(vlan=7) / scapy.Dot1Q(vlan=8) / ip,
            "cooked": lambda: scapy.CookedLinux(proto=0x800) / ip,
            "cooked2": lambda: scapy.CookedLinuxV2(proto=0x800) / ip,
            "loopback": lambda: scapy.Loopback(type=2) / ip,
            "raw": lambda: ip,
        }[link]()
        made.time = packet.time
        return made

    found, left_out = read(written([wrapped(packet) for packet in simple().packets], sync=True))
    assert len(found) == 3
    assert not left_out


def test_pipelined_requests(written: Write) -> None:
    conversation = Conversation(40000).open().send("c", request(0) + request(1) + request(2))
    conversation.send("s", response(0) + response(1, chunked=True) + response(2)).close()
    found, _ = read(written(conversation.packets))
    assert [whole(exchange, number) for number, exchange in enumerate(found)] == [True] * 3


def test_heads_bodiless_answers_and_interim_ones(written: Write) -> None:
    conversation = Conversation(40000).open()
    conversation.send("c", request(0, method="HEAD")).send("s", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")
    conversation.send("c", request(1, b"body", "POST")).send("s", b"HTTP/1.1 100 Continue\r\n\r\n").send("s", b"HTTP/1.1 204 No\r\n\r\n")
    conversation.send("c", request(2)).send("s", b"HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n")
    conversation.send("c", request(3)).send("s", response(3)).close()
    found, left_out = read(written(conversation.packets))
    assert [exchange.response and exchange.response.status for exchange in found] == [200, 204, 304, 200]
    assert found[1].request.body == b"body"
    assert whole(found[3], 3)
    assert not left_out


def test_a_body_that_ends_with_the_connection(written: Write) -> None:
    head = b"HTTP/1.0 200 OK\r\n\r\n"
    ended = Conversation(40000).open().send("c", request(0)).send("s", head + b"all").close()
    broken = Conversation(40001).open().send("c", request(0)).send("s", head + b"all")
    (first,), _ = read(written(ended.packets, "ended.pcap"))
    (second,), _ = read(written(broken.packets, "broken.pcap"))
    assert first.response is not None
    assert (first.response.body, first.problem) == (b"all", "")
    assert "the capture ended before it" in second.problem


def test_keep_alives_retransmissions_and_overlaps_change_nothing(written: Write) -> None:
    conversation = Conversation(40000).open().send("c", request(0)).keep_alive("c")
    before = dict(conversation.seq)
    conversation.send("s", response(0))
    again = Conversation(40000, mss=250, seq=before)
    again.send("s", response(0)[:700])
    conversation.keep_alive("s").close()
    found, left_out = read(written([*conversation.packets[:6], *again.packets, *conversation.packets[6:]]))
    assert [whole(exchange, 0) for exchange in found] == [True]
    assert not left_out


def test_a_port_that_is_used_again(written: Write) -> None:
    one, two = simple(count=1), Conversation(40000, seq={"c": 77, "s": 99}).open()
    two.send("c", request(5)).send("s", response(5)).close()
    found, _ = read(written([*one.packets, *two.packets]))
    assert [exchange.request.target for exchange in found] == ["/item/0", "/item/5"]


def test_a_capture_that_begins_in_the_middle(written: Write) -> None:
    packets = simple().packets
    middle = next(at for at, packet in enumerate(packets) if bytes(packet["TCP"].payload).startswith(b"HTTP/1.1")) + 1
    found, left_out = read(written(packets[middle:]))
    assert [whole(exchange, number + 1) for number, exchange in enumerate(found)] == [True, True]
    assert sum(left_out.values()) >= 1


def test_an_answer_whose_request_came_before_the_capture_is_left_out(written: Write) -> None:
    packets = simple().packets
    middle = next(at for at, packet in enumerate(packets) if bytes(packet["TCP"].payload).startswith(b"HTTP/1.1"))
    found, left_out = read(written(packets[middle:]))
    assert [whole(exchange, number + 1) for number, exchange in enumerate(found)] == [True, True]
    assert left_out["its beginning was not captured"] == 1


def test_packets_that_were_cut_make_a_body_that_is_not_whole(written: Write, tmp_path: Path) -> None:
    whole_file = written(simple(count=2).packets).read_bytes()
    cut, at = bytearray(whole_file[:24]), 24
    while at < len(whole_file):
        seconds, micros, kept, size = struct.unpack("<4I", whole_file[at : at + 16])
        short = min(kept, 300)
        cut += struct.pack("<4I", seconds, micros, short, size) + whole_file[at + 16 : at + 16 + short]
        at += 16 + kept
    path = tmp_path / "cut.pcap"
    path.write_bytes(cut)
    found, _ = read(path)
    assert [exchange.request.target for exchange in found] == ["/item/0", "/item/1"]
    assert all("were not captured" in exchange.problem and exchange.truncated for exchange in found)


def test_encrypted_traffic_and_http2_are_named(written: Write) -> None:
    tls = (
        Conversation(40000)
        .open()
        .send("c", b"\x16\x03\x01\x02\x00\x01" + b"x" * 500)
        .send("s", b"\x16\x03\x03\x00\x7a\x02" + b"y" * 100)
        .close()
    )
    two = Conversation(40001).open().send("c", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"x" * 50).close()
    found, left_out = read(written([*tls.packets, *two.packets]))
    assert found == []
    assert left_out == {"connections that are encrypted (TLS)": 1, "connections that are HTTP/2, which is not read from captures": 1}


def test_an_upgrade_is_one_exchange_and_no_more(written: Write) -> None:
    conversation = Conversation(40000).open().send("c", request(0))
    conversation.send("s", b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n").send("s", b"HTTP/1.1 200 no\r\n\r\n").send(
        "c", b"\x81\x05hello"
    ).close()
    found, _ = read(written(conversation.packets))
    assert [exchange.response and exchange.response.status for exchange in found] == [101]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[bytes]]:
    """The header and the records of a capture with eight connections at once, twelve exchanges on each."""
    conversations = []
    for at in range(8):
        conversation = Conversation(41000 + at, mss=700).open()
        for number in range(12):
            name = at * 12 + number
            conversation.send("c", request(name)).send("s", response(name, chunked=number % 3 == 0))
        conversations.append(conversation.close())
    path = tmp_path_factory.mktemp("busy") / "all.pcap"
    writer = scapy_all.PcapWriter(str(path))
    for group in zip(*(one.packets for one in conversations), strict=True):
        for packet in group:
            writer.write(packet)
    writer.close()
    data, at, records = path.read_bytes(), 24, []
    while at < len(data):
        size = 16 + struct.unpack("<I", data[at + 8 : at + 12])[0]
        records.append(data[at : at + size])
        at += size
    return data[:24], records


@pytest.mark.parametrize("seed", range(12))
def test_of_lost_doubled_and_late_packets_no_pair_is_wrong_and_none_whole_that_is_not(
    busy: tuple[bytes, list[bytes]], tmp_path: Path, disturbed: Callable[[Any, int], list[bytes]], seed: int
) -> None:
    header, records = busy
    path = tmp_path / "disturbed.pcap"
    path.write_bytes(header + b"".join(disturbed(records, seed)))
    found, _ = read(path)
    assert len(found) > 30
    right = 0
    for exchange in found:
        number = exchange.request.target[6:]
        if exchange.response is not None:
            assert dict(exchange.response.headers)["x-number"] == number
        if not exchange.problem:
            assert whole(exchange, int(number))
            right += 1
    assert right > 20


def test_undisturbed_all_of_them_are_whole(busy: tuple[bytes, list[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "all.pcap"
    path.write_bytes(busy[0] + b"".join(busy[1]))
    found, left_out = read(path)
    assert len(found) == 96
    assert all(whole(exchange, int(exchange.request.target[6:])) for exchange in found)
    assert not left_out


@pytest.mark.parametrize("content", [b"", b"no capture", b"\xd4\xc3\xb2\xa1", b"\x1f\x8bxx", b"\n\r\r\n" + b"\0" * 30])
def test_what_is_no_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"x\.pcap: (neither|no packet capture)"):
        read(path)
