"""Captures that tests write, to be lost, doubled and shuffled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

scapy_all = pytest.importorskip("scapy.all", reason="no scapy: install the extra `capture`")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes packets into a file of the kind that its name says."""

    def write(packets: Sequence[Any], name: str = "capture.pcap", **rest: Any) -> Path:
        path = tmp_path / name
        writer = scapy_all.PcapNgWriter(str(path)) if name.endswith("ng") else scapy_all.PcapWriter(str(path), **rest)
        for packet in packets:
            writer.write(packet)
        writer.close()
        return path

    return write


@pytest.fixture
def disturbed() -> Callable[[Sequence[Any], int], list[Any]]:
    """Packets of which 5 % are lost, 5 % doubled, 5 % late."""

    def disturb(packets: Sequence[Any], seed: int) -> list[Any]:
        chance = random.Random(seed)
        out: list[Any] = []
        late: list[tuple[int, Any]] = []
        for number, packet in enumerate(packets):
            out += [packet for at, packet in late if at <= number]
            late = [(at, packet) for at, packet in late if at > number]
            draw = chance.random()
            if draw < 0.05:
                continue
            if draw < 0.10:
                late.append((number + chance.randint(1, 6), packet))
                continue
            out.append(packet)
            if draw < 0.15:
                late.append((number + chance.randint(0, 6), packet))
        return out + [packet for _, packet in late]

    return disturb
