"""Versions that run at several addresses, which come and go: a connection that one does not take is offered to the next.

Only where nothing of the request has been sent: a version never gets it twice. A Service would not have chosen an
address that is going; Envoy learns of it a moment later.
"""

from __future__ import annotations

from typing import Any, Final

ANOTHER: Final = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
POLICY: Final = {
    "retry_on": "connect-failure",
    "num_retries": 5,
    "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": ANOTHER}}],
    "host_selection_retry_max_attempts": 5,
    "retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"},
}


def patient(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """The bootstrap of `Configuration.rendered`, with that policy on the routes to versions; it is changed in its place."""
    for listener in bootstrap["static_resources"]["listeners"]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        for host in manager["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                if str(route.get("route", {}).get("cluster", "")).startswith("version-"):
                    route["route"]["retry_policy"] = POLICY
    return bootstrap
