"""VirtualService, DestinationRule and HTTPRoute -> typed routes -> Envoy's configuration. Files are read; nothing is started here."""

from __future__ import annotations

from pytest_shadowdiff.envoy.routes.enact import LOG_FORMAT, Enacted, Outcome, enact
from pytest_shadowdiff.envoy.routes.model import RouteTable
from pytest_shadowdiff.envoy.routes.table import read_routes
from pytest_shadowdiff.envoy.routes.targets import Targets, cast

__all__ = ["LOG_FORMAT", "Enacted", "Outcome", "RouteTable", "Targets", "cast", "enact", "read_routes"]
