"""Bounds on what callers and versions may cost the relay; the error that each causes names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """The relay's own bounds, beside those on bodies.

    Attributes:
        body: bytes of one body that are recorded (`max_body`).
        queue: copies that are waited for at one time, for each side (`max_queue`).
        queue_bytes: bytes of requests that those copies may hold in memory (`max_queue_bytes`).
        connections: to one side, for copies (`max_connections`).
        asking: requests that are asked again at one time (`max_asking`).
        order_seconds: how long a safe request's copy waits for those of the requests before it.
        refused_seconds: how long a refused connection is remembered.
        head_seconds: how long a caller may take to send a header section (`max_head_seconds`).
        connect_seconds: how long a version may take to accept a connection (`max_connect_seconds`).
        quiet_seconds: how long asking again waits for callers to be served.
        spool: bytes on disk (`max_spool`).
    """

    body: int = 16 * 1024 * 1024
    queue: int = 1024
    queue_bytes: int = 64 * 1024 * 1024
    connections: int = 64
    asking: int = 4
    order_seconds: float = 2.0
    refused_seconds: float = 0.1
    head_seconds: float = 60.0
    connect_seconds: float = 10.0
    quiet_seconds: float = 0.5
    spool: int = 4 * 1024 * 1024 * 1024
