"""A run's route files at an Envoy of ours: laid over its configuration, and followed in its log while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_shadowdiff.envoy.configuration import Configuration
from pytest_shadowdiff.envoy.outcomes import Outcomes
from pytest_shadowdiff.envoy.routes import LOG_FORMAT, Enacted, enact, read_routes
from pytest_shadowdiff.model import Role
from pytest_shadowdiff.settings import Settings, Target


class Routed:
    """What an Envoy does with the routes of a run; without route files it does nothing.

    Args:
        settings: with the files and the targets that they name.
        run_id: of the run whose requests take the routes.
        spool: the folder to which what the routes did is appended.

    Raises:
        SettingsError: a file is wrong, or names a version that no target of this run stands for.
    """

    def __init__(self, settings: Settings, run_id: str, spool: Path) -> None:
        self._enacted = enacted_by(settings)
        self._compared = settings.candidate is not None
        self._run_id = run_id
        self._spool = spool
        self._outcomes: Outcomes | None = None

    def over(self, configuration: Configuration, log: str) -> Configuration:
        """A configuration with these routes; the entry writes to `log` what they did."""
        enacted = self._enacted
        if enacted is None:
            return configuration
        access_log = (log, LOG_FORMAT)
        return replace(configuration, routes=enacted.routes, filters=enacted.filters, clusters=enacted.clusters, access_log=access_log)

    def follow(self, log: Path) -> None:
        """Read from now on what the routes did, from the file where `log` of the configuration is found here."""
        if self._enacted is not None and self._compared:
            self._outcomes = Outcomes(log, self._enacted, self._run_id, self._spool)
            self._outcomes.start()

    def failure(self) -> str | None:
        """Why it is no longer known what the routes do; None while it is."""
        return None if self._outcomes is None else self._outcomes.failure

    def describe(self) -> Sequence[str]:
        """Lines for the summary."""
        return () if self._enacted is None else self._enacted.explain()

    def stop(self) -> None:
        """Read what is left; safe to call twice."""
        if self._outcomes is not None:
            self._outcomes.stop()


def enacted_by(settings: Settings) -> Enacted | None:
    """The route files of a run, checked against its targets; None where there are none.

    Raises:
        SettingsError: a file is wrong, or names a version that no target of this run stands for.
    """
    if not settings.routes:
        return None
    targets: dict[Role, Target] = {}
    if settings.primary is not None:
        targets["primary"] = settings.primary
    if settings.candidate is not None:
        targets["candidate"] = settings.candidate
        if isinstance(settings.control, Target):
            targets["control"] = settings.control
    return enact(read_routes(settings.routes), targets)
