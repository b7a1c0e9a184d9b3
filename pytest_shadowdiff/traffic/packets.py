"""Packet captures: `.pcap`, `.pcapng`, and what `tcpdump -A` printed. Text loses bytes, and packets get lost: what is not whole says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pytest_shadowdiff.captures.files import exchanges
from pytest_shadowdiff.model import Exchange
from pytest_shadowdiff.traffic import Capture, Captured

_ID = "x-shadowdiff-id"


def read(path: Path) -> Capture:
    """The exchanges in a capture.

    Raises:
        SettingsError: it cannot be read, or is no capture.
        SetupError: packets need scapy, which is not installed.
    """
    left_out: Counter[str] = Counter()
    seen = sorted((one.exchange for one in exchanges(path, left_out)), key=lambda exchange: exchange.started)
    hosts = Counter(host for exchange in seen if (host := _header(exchange, "host")))
    base = f"http://{hosts.most_common(1)[0][0]}" if hosts else ""
    return Capture([Captured(exchange, _header(exchange, _ID) or None) for exchange in seen], dict(left_out), base)


def _header(exchange: Exchange, name: str) -> str:
    return next((value for field, value in exchange.request.headers if field.lower() == name), "")
