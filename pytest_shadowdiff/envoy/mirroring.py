"""Does a mesh mirror? Its sidecar has the routes, and a probe that entered was counted where the mesh's copy of it arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from pytest_shadowdiff.envoy import admin, marks
from pytest_shadowdiff.envoy.entrance import probe
from pytest_shadowdiff.envoy.traces import BROKEN_OFF
from pytest_shadowdiff.errors import MirrorError, SetupError

ACTIVE_SECONDS = 60.0
OFF_SECONDS = 20.0
ASK_SECONDS = 10.0
DENIED = b"RBAC: access denied"
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Mirroring:
    """Where it is seen.

    Attributes:
        admin: the admin interface of our Envoy.
        entry: where requests enter it.
        sidecar: the admin interface of the sidecar beside it.
        route: the name of a route that the mesh has while it mirrors.
        sides: the listeners before the versions.
        run: the run's id.
    """

    admin: tuple[str, int]
    entry: tuple[str, int]
    sidecar: tuple[str, int]
    route: str
    sides: Sequence[str]
    run: str

    def until_active(self, trouble: Callable[[], str]) -> None:
        """Return when a probe was seen before every version, the candidate's as the mesh's copy.

        No probe is sent before the sidecar has the routes: it would reach a version.

        Args:
            trouble: why waiting is in vain; empty while it is not.

        Raises:
            SetupError: it was not, in time; says what was seen where.
        """
        deadline = time.monotonic() + ACTIVE_SECONDS
        problem = ""
        while True:
            missing: Sequence[str] = self.sides
            enacted = False
            try:
                enacted = self._enacted()
                if enacted:
                    probe(self.entry, 0, self.run)
                    missing = self._missing()
            except MirrorError as error:
                problem = str(error)
            if enacted and not missing:
                return
            if reason := trouble():
                raise SetupError(reason)
            if time.monotonic() > deadline:
                has = "has" if enacted else "has not got"
                seen = [side for side in self.sides if side not in missing]
                raise SetupError(
                    f"The mirror is inactive: within {ACTIVE_SECONDS:g} s no probe arrived before {', '.join(missing)} "
                    f"({', '.join(seen) or 'none of the others'} saw one); "
                    f"the sidecar beside our pod {has} the route {self.route}. {problem}".strip()
                )
            time.sleep(LOOK_SECONDS)

    def refusal(self, side: str, path: str) -> str:
        """Ask one version by the way of the run's requests: what the mesh says in its place; empty where it answers itself."""
        connection = HTTPConnection(*self.entry, timeout=ASK_SECONDS)
        try:
            connection.request("GET", path, headers={marks.SIDE: side})
            body = connection.getresponse().read(4096)
        except (OSError, HTTPException):
            return ""  # it is slow, or breaks off: its own affair
        finally:
            connection.close()
        return body.decode("latin-1").strip() if body.startswith((DENIED, BROKEN_OFF)) else ""

    def until_off(self) -> bool:
        """Whether the sidecar has let the routes go, within a while."""
        deadline = time.monotonic() + OFF_SECONDS
        while self._enacted():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _enacted(self) -> bool:
        return f'"{self.route}"'.encode() in admin.get(self.sidecar, "/config_dump?resource=dynamic_route_configs")

    def _missing(self) -> Sequence[str]:
        counted = admin.counters(self.admin, r"^http\..*\.downstream_rq_completed$")
        return [side for side in self.sides if not counted.get(f"http.{side}.downstream_rq_completed")]
