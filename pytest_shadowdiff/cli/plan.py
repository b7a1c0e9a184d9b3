"""`shadowdiff plan`: what a run with these options would change in a cluster, as a diff, and the rights that it takes."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_shadowdiff.errors import SettingsError

if TYPE_CHECKING:
    import pytest

    from pytest_shadowdiff.settings import Settings

RUN = "00000000"  # stands for the run's id in the names of what it would make


class _Group:
    """Takes options as pytest's groups do, so that `plan` has those of a run."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def addoption(self, *names: str, **how: object) -> None:
        """Add one."""
        self._parser.add_argument(*names, **how)  # type: ignore[arg-type]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: those of a run."""
    from pytest_shadowdiff.plugin import options

    options.add(cast("pytest.OptionGroup", _Group(parser)))


def run(arguments: argparse.Namespace) -> int:
    """Print the plan.

    Returns:
        0 where a run could do all of it, 1 where rights are missing.

    Raises:
        ShadowError: an option is wrong, or the run would not even begin.
    """
    from pytest_shadowdiff.backends import MirrorPlan
    from pytest_shadowdiff.mirror import MIRRORS

    settings = _settings(arguments)
    preview = getattr(import_module(MIRRORS[settings.mirror].module), "preview", None)
    if preview is None or settings.candidate is None:
        why = f"the mirror {settings.mirror} touches none" if preview is None else "without --shadow-target nothing is mirrored"
        sys.stdout.write(f"No cluster would be changed: {why}.\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="shadowdiff-") as folder:
        found = preview(MirrorPlan(settings, RUN, Path(folder), None, None))
    sys.stdout.write("\n".join(found.lines) + "\n")
    return int(bool(found.lacking))


def _settings(arguments: argparse.Namespace) -> Settings:
    from pytest_shadowdiff.mirror import MIRRORS
    from pytest_shadowdiff.report import FORMATS
    from pytest_shadowdiff.rules import rule_from
    from pytest_shadowdiff.settings import configuration, resolve

    command_line = {name.removeprefix("shadow_"): value for name, value in vars(arguments).items() if name.startswith("shadow_")}
    file = command_line.get("config") or os.environ.get(resolve.variable_of("config"))
    loaded = configuration.load(Path(str(file)) if file else None, Path.cwd(), rule_from)
    options = resolve.Options(command_line, os.environ, loaded)
    settings = resolve.resolve(options, loaded, backends=MIRRORS, formats=FORMATS, folder=Path.cwd())
    if settings.primary is None:
        raise SettingsError("There is no primary: give --shadow-primary=NAME, or `primary` in [tool.shadowdiff].")
    return settings
