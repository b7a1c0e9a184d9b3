"""A file of captured packets, in whatever form -> exchanges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pytest_shadowdiff.captures import packets, text
from pytest_shadowdiff.captures.exchanges import Seen, exchanges_of
from pytest_shadowdiff.errors import SettingsError


def exchanges(path: Path, left_out: Counter[str]) -> Iterator[Seen]:
    """The exchanges in a pcap, a pcapng or a `tcpdump -A` text.

    Args:
        left_out: is added to: what is no exchange, by reason.

    Raises:
        SettingsError: the file cannot be read, or is none of them.
        SetupError: packets need scapy, which is not installed.
    """
    try:
        with path.open("rb") as file:
            opening = file.read(16 * 1024)
    except OSError as error:
        raise SettingsError(f"{path}: the capture cannot be read: {error.strerror}.") from None
    if opening[:4] in (*packets.PCAP_MAGIC, packets.PCAPNG_MAGIC) or opening[:2] == packets.GZIP_MAGIC:
        yield from exchanges_of(packets.read(path, left_out), f"tcpdump, {path.name}", left_out)
    elif text.OPENING.match(opening):
        yield from exchanges_of(text.read(path, left_out), f"tcpdump -A, {path.name}", left_out)
    else:
        raise SettingsError(f"{path}: neither pcap nor pcapng nor what `tcpdump -A` prints.")
