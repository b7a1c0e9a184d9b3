"""The page that this project comes from: its capture, its logs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pytest_shadowdiff.captures.files import exchanges
from pytest_shadowdiff.comparing import compare_exchanges
from pytest_shadowdiff.logs import formats
from pytest_shadowdiff.logs.pairing import Expected, Pairing, Read


@pytest.fixture
def blocks(data: Path) -> list[str]:
    page = (data / "seed" / "istio-mirroring.md").read_text(encoding="utf-8")
    return re.findall(r"```\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def capture(blocks: list[str], tmp_path: Path) -> Path:
    (text,) = [block for block in blocks if "tcpdump -A" in block]
    path = tmp_path / "page.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_its_two_exchanges_come_out_and_mean_the_same(capture: Path) -> None:
    left_out: Counter[str] = Counter()
    original, copy = (one.exchange for one in exchanges(capture, left_out))
    assert not left_out
    for exchange, host in ((original, "httpbin:8000"), (copy, "httpbin-shadow:8000")):
        assert (exchange.request.method, exchange.request.target, exchange.problem) == ("GET", "/headers", "")
        assert dict(exchange.request.headers)["host"] == host
        assert exchange.response is not None
        assert exchange.response.status == 200
        assert exchange.tap.endswith("lossy")
    assert dict(copy.request.headers)["x-envoy-internal"] == "true"
    assert compare_exchanges(original, copy).differences == ()


def test_the_command_compares_its_halves(capture: Path, tmp_path: Path) -> None:
    text = capture.read_text(encoding="utf-8")
    packets = re.split(r"(?m)^(?=\d\d:\d\d:\d\d\.)", text)
    sides = {"v1.txt": "10-233-75-11", "v2.txt": "10-233-71-7"}
    for name, host in sides.items():
        (tmp_path / name).write_text("".join(packet for packet in packets if host in packet.split("\n")[0]), encoding="utf-8")
    words = [str(Path(sys.executable).with_name("shadowdiff")), "diff", "v1.txt", "v2.txt"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 same" in done.stdout


def test_its_two_log_lines_are_of_different_requests(blocks: list[str]) -> None:
    read = formats.by_name("combined")
    lines = [line for block in blocks if "kubectl logs" in block for text in block.splitlines() if (line := read(text))]
    by_size = {line.size: line for line in lines}
    first, second = by_size[516], by_size[556]
    assert (first.status, second.status) == (200, 200)
    assert first.time is not None
    assert second.time is not None
    pairing = Pairing()
    pairing.expect(Expected("a", "GET", "/headers", second.time))
    pairing.take(Read(first, second.time + 1))
    assert list(pairing.decide()) == []
