"""What Envoy's own counters say it did not do: copies that were never sent, or never answered."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from pytest_shadowdiff.envoy import admin
from pytest_shadowdiff.errors import MirrorError

REASONS: Mapping[str, str] = {
    "upstream_rq_retry_or_shadow_abandoned": "bodies larger than the buffer, so not copied",
    "retry_or_shadow_abandoned": "bodies larger than the buffer, so not copied",
    "upstream_cx_overflow": "connections beyond a circuit breaker",
    "upstream_rq_pending_overflow": "requests beyond a circuit breaker",
    "upstream_cx_connect_fail": "connections that failed",
    "upstream_cx_connect_timeout": "connections that timed out",
    "upstream_rq_timeout": "requests that timed out",
    "upstream_rq_per_try_timeout": "tries that timed out",
    "upstream_rq_rx_reset": "responses that a version broke off",
    "upstream_cx_protocol_error": "responses that are no HTTP",
    "upstream_rq_maintenance_mode": "requests in maintenance mode",
}
"""Envoy's counters of a cluster ("config_cluster_manager_cluster_stats") that mean a lost copy or answer."""

PATTERN = rf"^cluster\.(version-)?(primary|candidate|control)\.({'|'.join(REASONS)})$"


def dropped(address: tuple[str, int]) -> dict[str, int]:
    """How often what was dropped or broken, by version and reason; only what happened at all.

    Raises:
        MirrorError: Envoy does not answer.
    """
    found: dict[str, int] = {}
    for name, count in admin.counters(address, PATTERN).items():
        _, cluster, counter = name.split(".", 2)
        if count:
            label = f"{cluster.removeprefix('version-')}: {REASONS[counter]}"
            found[label] = found.get(label, 0) + count
    return found


class Drops:
    """What an Envoy said it dropped when it last answered: it may be gone when that is told."""

    def __init__(self) -> None:
        self._said: Mapping[str, int] = {}

    def of(self, address: tuple[str, int] | None) -> Mapping[str, int]:
        """By version and reason; the address is None once there is nobody to ask."""
        if address is not None:
            with contextlib.suppress(MirrorError):
                self._said = dropped(address)
        return self._said
