"""Load by wrk, and what it measured."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Measured:
    """One run: requests, rate (1/s), p50 and p99 (ms), errors."""

    requests: int
    rate: float
    p50: float
    p99: float
    errors: int


def wrk(url: str, seconds: float, connections: int) -> Measured:
    """Load for so long over so many connections."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "20s", url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def milliseconds(share: str) -> float:
        match = re.search(rf"^\s+{share}%\s+([0-9.]+)(us|ms|s)", out, re.MULTILINE)
        return float(match[1]) * _UNITS[match[2]] if match else float("nan")

    requests = re.search(r"(\d+) requests in", out)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", out)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    return Measured(
        int(requests[1]) if requests else 0,
        float(rate[1]) if rate else 0.0,
        milliseconds("50"),
        milliseconds("99"),
        sum(map(int, errors.groups())) if errors else 0,
    )
