"""Do a Gateway's copies arrive? A probe that entered was counted before every version; once the mirror is off, before none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.envoy import admin
from pytest_shadowdiff.envoy.entrance import probe
from pytest_shadowdiff.errors import MirrorError, SetupError

ACTIVE_SECONDS = 60.0
OFF_SECONDS = 20.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Arriving:
    """Where it is seen.

    Attributes:
        admin: the admin interface of our Envoy.
        entry: where requests enter it.
        sides: the listeners before the versions; the candidate's is reached by copies alone.
        run: the run's id.
    """

    admin: tuple[str, int]
    entry: tuple[str, int]
    sides: Sequence[str]
    run: str

    def until_active(self, trouble: Callable[[], str], state: Callable[[], str]) -> None:
        """Return when a probe was seen before every version.

        Args:
            trouble: why waiting is in vain; empty while it is not.
            state: what was applied, and what is said of it, for the error.

        Raises:
            SetupError: it was not, in time; says what was seen where.
        """
        deadline = time.monotonic() + ACTIVE_SECONDS
        problem = ""
        missing = list(self.sides)
        while missing:
            if reason := trouble():
                raise SetupError(reason)
            if time.monotonic() > deadline:
                seen = ", ".join(side for side in self.sides if side not in missing) or "none of the others"
                raise SetupError(
                    f"The mirror is inactive: within {ACTIVE_SECONDS:g} s no probe arrived before {', '.join(missing)} ({seen} saw one). "
                    f"{state()} {problem}".strip()
                )
            probe(self.entry, 0, self.run)
            time.sleep(LOOK_SECONDS)
            try:
                counted = self._counted()
            except MirrorError as error:
                problem = str(error)
                continue
            missing = [side for side in self.sides if not counted[side]]

    def until_off(self) -> bool:
        """Whether a probe was answered without being seen before any version, within a while."""
        deadline = time.monotonic() + OFF_SECONDS
        while time.monotonic() < deadline:
            before = self._counted()
            answered = probe(self.entry, 0, self.run)
            time.sleep(LOOK_SECONDS)
            if answered and self._counted() == before:
                return True
        return False

    def _counted(self) -> dict[str, int]:
        counted = admin.counters(self.admin, r"^http\..*\.downstream_rq_completed$")
        return {side: counted.get(f"http.{side}.downstream_rq_completed", 0) for side in self.sides}
