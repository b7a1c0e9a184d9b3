"""What pytest was given -> settings and acceptances, or a usage error before any test runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.errors import SettingsError

if TYPE_CHECKING:
    from pytest_shadowdiff.acceptances import Acceptance
    from pytest_shadowdiff.settings import Settings


def acceptances_of(settings: Settings) -> Sequence[Acceptance]:
    """The differences that are let through.

    Raises:
        pytest.UsageError: their file is wrong.
    """
    from pytest_shadowdiff.acceptances import load
    from pytest_shadowdiff.accepting import file_of

    try:
        return load(file_of(settings.home))
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def settings_of(config: pytest.Config) -> Settings:
    """What the run was asked for.

    Raises:
        pytest.UsageError: an option or the configuration is wrong.
    """
    from pytest_shadowdiff.mirror import MIRRORS
    from pytest_shadowdiff.report import FORMATS, require
    from pytest_shadowdiff.rules import rule_from
    from pytest_shadowdiff.settings import configuration, resolve

    command_line = {name: config.getoption("shadow_" + name, None) for name in (*configuration.OPTIONS, "config")}
    folder = config.invocation_params.dir
    try:
        resolve.check_names(os.environ, (*configuration.OPTIONS, "config"))
        file = command_line["config"] or os.environ.get(resolve.variable_of("config"))
        loaded = configuration.load(folder / file if file else None, config.rootpath, rule_from)
        options = resolve.Options(command_line, os.environ, loaded)
        settings = resolve.resolve(options, loaded, backends=MIRRORS, formats=FORMATS, folder=folder)
        for wanted in settings.reports if settings.candidate is not None else ():
            require(wanted.format)
        if settings.routes:
            from pytest_shadowdiff.envoy.routed import enacted_by

            enacted_by(settings)
        if settings.candidate is not None:
            _look_around(settings)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    return settings


def _look_around(settings: Settings) -> None:
    """Whether what mirror and targets need is here: better told now than by each test."""
    from pytest_shadowdiff import mirror, targets
    from pytest_shadowdiff.settings import Target

    mirror.check(settings)
    targets.check([one for one in (settings.primary, settings.candidate, settings.control) if isinstance(one, Target)])
