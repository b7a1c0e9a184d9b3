"""`.pcap` and `.pcapng` -> TCP segments, through scapy: Ethernet, VLAN, Linux cooked, loopback and raw IP, IPv4 and IPv6."""

# ruff: noqa: ANN401 - scapy ships no types

from __future__ import annotations

import gzip
import logging
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from pytest_shadowdiff.captures.segments import Segment
from pytest_shadowdiff.errors import SettingsError, SetupError

PCAP_MAGIC = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_PACKET = 512 * 1024
_HEADER = 24
_RECORD = 16
_NANO = (b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
_LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


class Dissector:
    """Packets of one kind of link -> segments.

    Attributes:
        left_out: how many packets are no whole TCP segment, by reason.
    """

    def __init__(self) -> None:
        try:
            logging.getLogger("scapy").setLevel(logging.CRITICAL)
            from scapy.config import conf
            from scapy.layers import inet, inet6, l2
        except ImportError:
            raise SetupError("Packet captures need scapy: pip install 'pytest-shadowdiff[capture]'.") from None
        self._links = conf.l2types
        self._ip, self._ipv6, self._tcp, self._fragment = inet.IP, inet6.IPv6, inet.TCP, inet6.IPv6ExtHdrFragment
        self._raw_ip = {101: None, 228: inet.IP, 229: inet6.IPv6}
        self._ether = l2.Ether
        self.left_out: Counter[str] = Counter()

    def segment(self, link: int, time: float, data: bytes) -> Segment | None:
        """The segment in a packet; None where there is none."""
        try:
            packet = self._packet(link, data)
            return self._segment(packet, time)
        except Exception:  # noqa: BLE001 - scapy raises whatever a hostile packet leads it to
            self.left_out["packets that cannot be read"] += 1
            return None

    def _packet(self, link: int, data: bytes) -> Any:
        if link in self._raw_ip:
            raw = self._raw_ip[link] or (self._ipv6 if data[:1] and data[0] >> 4 == 6 else self._ip)  # noqa: PLR2004 - IPv6
            return raw(data)
        kind = self._links.num2layer.get(link)
        if kind is None:
            self.left_out[f"packets of a kind of link that is not known ({link})"] += 1
            return None
        return kind(data)

    def _segment(self, packet: Any, time: float) -> Segment | None:
        tcp = None if packet is None else packet.getlayer(self._tcp)
        if tcp is None:
            if packet is not None and self._is_fragment(packet):
                self.left_out["IP fragments"] += 1
            return None
        ip = packet.getlayer(self._ip) or packet.getlayer(self._ipv6)
        if ip is None or self._is_fragment(packet):
            self.left_out["IP fragments"] += 1
            return None
        payload = bytes(tcp.payload)
        padding = tcp.getlayer("Padding")
        if padding is not None:
            payload = payload[: len(payload) - len(bytes(padding))]
        flags = int(tcp.flags)
        expected = self._length(ip, tcp)
        missing = 0 if expected is None else max(0, expected - len(payload))
        return Segment(
            time=time,
            source=(str(ip.src), int(tcp.sport)),
            target=(str(ip.dst), int(tcp.dport)),
            seq=int(tcp.seq),
            ack=int(tcp.ack) if flags & 0x10 else None,
            payload=payload if expected is None else payload[:expected],
            syn=bool(flags & 0x02),
            fin=bool(flags & 0x01),
            reset=bool(flags & 0x04),
            missing=missing,
        )

    def _length(self, ip: Any, tcp: Any) -> int | None:
        """How long the payload was on the wire; None where the sender's own hardware had yet to cut it."""
        header = int(tcp.dataofs or 5) * 4
        if isinstance(ip, self._ip):
            return int(ip.len) - int(ip.ihl) * 4 - header if ip.len else None
        if not ip.plen:
            return None
        before_tcp = len(bytes(ip.payload)) - len(bytes(tcp))
        return int(ip.plen) - max(0, before_tcp) - header

    def _is_fragment(self, packet: Any) -> bool:
        ip = packet.getlayer(self._ip)
        if ip is not None:
            return bool(int(ip.frag) or "MF" in str(ip.flags))
        return packet.getlayer(self._fragment) is not None


def read(path: Path, left_out: Counter[str]) -> Iterator[Segment]:
    """The TCP segments of a file, in its order.

    Args:
        path: a pcap or pcapng file, plain or packed with gzip.
        left_out: is added to: how many packets are no segment, by reason.

    Raises:
        SettingsError: it is no capture.
        SetupError: scapy is not installed.
    """
    dissector = Dissector()
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

    try:
        opens: Any = RawPcapReader  # takes an open file as well as a name
        with _opened(path) as file, opens(file) as packets:
            for data, about in packets:
                segment = dissector.segment(_link(packets, about), _time(about), data)
                if segment is not None:
                    yield segment
    except (Scapy_Exception, OSError, EOFError, struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise SettingsError(f"{path}: no packet capture that can be read: {error}.") from None
    finally:
        left_out.update(dissector.left_out)


def _opened(path: Path) -> IO[bytes]:
    """The file, unpacked; scapy leaves what it opened itself open where it is no capture."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def _link(packets: Any, about: Any) -> int:
    return int(getattr(about, "linktype", None) or packets.linktype)


def _time(about: Any) -> float:
    if hasattr(about, "sec"):
        return float(about.sec) + float(about.usec) / (1e9 if getattr(about, "nano", False) else 1e6)
    high, low, resolution = about.tshigh or 0, about.tslow or 0, about.tsresol or 1e6
    return float((high << 32) + low) / float(resolution)


def stream(source: BinaryIO) -> Iterator[tuple[int, float, bytes]]:
    """Packets of a pcap that is still written (`tcpdump -w -`): kind of link, time, bytes.

    Raises:
        SettingsError: it is no pcap.
    """
    header = source.read(_HEADER)
    if len(header) < _HEADER:
        return
    magic = header[:4]
    if magic not in PCAP_MAGIC:
        raise SettingsError(f"what tcpdump wrote is no pcap: it begins with {magic!r}.")
    order = "<" if magic in _LITTLE else ">"
    unit = 1e-9 if magic in _NANO else 1e-6
    (link,) = struct.unpack(order + "I", header[20:24])
    while len(record := source.read(_RECORD)) == _RECORD:
        seconds, fraction, kept, _ = struct.unpack(order + "4I", record)
        if kept > LONGEST_PACKET:
            raise SettingsError(f"what tcpdump wrote has a packet of {kept} bytes.")
        data = source.read(kept)
        if len(data) < kept:
            return
        yield link & 0x0FFFFFFF, seconds + fraction * unit, data
