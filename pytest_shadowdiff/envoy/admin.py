"""Questions to an Envoy's admin interface: is it ready, where does it listen, what has it counted."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from pytest_shadowdiff.errors import MirrorError

ASK_SECONDS = 5.0
OK = 200
LARGEST = 64 * 1024 * 1024


def get(address: tuple[str, int], path: str, seconds: float = ASK_SECONDS) -> bytes:
    """What it answers to one question.

    Raises:
        MirrorError: it does not answer, or with anything but 200.
    """
    connection = HTTPConnection(*address, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(LARGEST)
    except (OSError, HTTPException) as error:
        raise MirrorError(f"Envoy's admin interface at {address[0]}:{address[1]} did not answer GET {path}: {error!r}") from None
    finally:
        connection.close()
    if response.status != OK:
        raise MirrorError(f"Envoy's admin interface answered GET {path} with {response.status}: {body[:200].decode('utf-8', 'replace')}")
    return body


def is_ready(address: tuple[str, int]) -> bool:
    """Whether it serves traffic."""
    try:
        return get(address, "/ready").startswith(b"LIVE")
    except MirrorError:
        return False


def listening(address: tuple[str, int], listener: str) -> tuple[str, int] | None:
    """Where a listener got its socket; None while it has none."""
    for status in json.loads(get(address, "/listeners?format=json")).get("listener_statuses", ()):
        place = status.get("local_address", {}).get("socket_address")
        if status.get("name") == listener and place:
            return str(place["address"]), int(place["port_value"])
    return None


def counters(address: tuple[str, int], pattern: str) -> dict[str, int]:
    """Counters and gauges whose names match a regular expression and that were ever used."""
    from urllib.parse import quote

    stats: list[dict[str, Any]] = json.loads(get(address, f"/stats?format=json&usedonly&filter={quote(pattern)}")).get("stats", [])
    return {str(one["name"]): int(one["value"]) for one in stats if "value" in one}
