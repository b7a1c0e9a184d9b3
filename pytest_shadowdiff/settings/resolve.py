"""Command line over environment over configuration over default -> `Settings`, or one clear error."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.settings import Report, Settings, Target
from pytest_shadowdiff.settings.configuration import Configuration, checked_url
from pytest_shadowdiff.settings.table import describe, nearest, one_of

PREFIX = "SHADOWDIFF_"
TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})
LISTS = frozenset({"report", "route"})
SWITCHES = frozenset({"allow_unsafe", "accept"})


class Backend(Protocol):
    """What has to be known of a mirror here; `settings` stands below the mirrors, so it is handed their names."""

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps it can offer, its best first."""

    @property
    def enacts_routes(self) -> bool:
        """Takes `--shadow-route` files."""

    @property
    def ways(self) -> tuple[str, ...]:
        """The kinds of target it can mirror between."""


@dataclass(frozen=True, slots=True)
class Given:
    """One option's value, and where it was given: for messages and for precedence."""

    value: object
    place: str


class Options:
    """All options by name (`allow_unsafe`), looked up in the order of precedence."""

    def __init__(self, command_line: Mapping[str, object], environ: Mapping[str, str], configuration: Configuration) -> None:
        self._command_line = command_line
        self._environ = environ
        self._configuration = configuration

    def find(self, name: str) -> Given | None:
        """Where the option was given first, or None."""
        value = self._command_line.get(name)
        if value not in (None, False, []):
            return Given(value, "--shadow-" + name.replace("_", "-"))
        variable = variable_of(name)
        if self._environ.get(variable):
            return Given(_from_environment(name, self._environ[variable], variable), variable)
        if name in self._configuration.options:
            return Given(self._configuration.options[name], f"{self._configuration.place}, {name}")
        return None

    def text(self, name: str) -> Given | None:
        """An option that is a string."""
        given = self.find(name)
        if given is not None and not isinstance(given.value, str):
            message = f"{given.place}: expected a string, not {describe(given.value)}."
            raise SettingsError(message)
        return given

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """An option that is a number within bounds, both included."""
        given = self.find(name)
        if given is None:
            return None
        try:
            value = float(str(given.value))
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            message = f"{given.place}: expected a number from {least:g} to {most:g}, not {given.value!r}."
            raise SettingsError(message)
        return value

    def flag(self, name: str) -> bool:
        """An option that is on or off."""
        given = self.find(name)
        if given is None:
            return False
        if not isinstance(given.value, bool):
            message = f"{given.place}: expected true or false, not {describe(given.value)}."
            raise SettingsError(message)
        return given.value

    def texts(self, name: str) -> tuple[Given, ...]:
        """A repeatable option, each value with its place."""
        given = self.find(name)
        if given is None:
            return ()
        values = [given.value] if isinstance(given.value, str) else given.value
        if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
            message = f"{given.place}: expected a string or a list of strings, not {describe(given.value)}."
            raise SettingsError(message)
        return tuple(Given(value, given.place) for value in values)


def variable_of(option: str) -> str:
    """The environment variable of an option."""
    return PREFIX + option.upper()


def check_names(environ: Mapping[str, str], options: Collection[str]) -> None:
    """Look for variables that are nearly those of an option: a gate that was switched off by a slip of the pen would be green.

    Raises:
        SettingsError: a variable with our prefix is none of ours.
    """
    known = {variable_of(option) for option in options}
    for name in environ:
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_") and name not in known:
            message = f"{name}: there is no such variable. Known: {', '.join(sorted(known))}.{nearest(name, known)}"
            raise SettingsError(message)


def _from_environment(name: str, value: str, variable: str) -> object:
    if name in SWITCHES:
        if value.lower() in TRUE | FALSE:
            return value.lower() in TRUE
        message = f"{variable}: expected 1 or 0, not {value!r}."
        raise SettingsError(message)
    return [part.strip() for part in value.split(",") if part.strip()] if name in LISTS else value


def resolve(
    options: Options, configuration: Configuration, *, backends: Mapping[str, Backend], formats: Mapping[str, str | None], folder: Path
) -> Settings:
    """What the run was asked for.

    Args:
        backends: the mirrors that there are.
        formats: the report formats that there are, with their default file names.
        folder: the invocation folder, where reports go.

    Raises:
        SettingsError: an option is wrong, or two contradict each other.
    """
    candidate = _target(options.text("target"), configuration)
    primary = _primary(options, configuration)
    control = _control(options, configuration)
    routes = tuple(folder / str(given.value) for given in options.texts("route"))
    targets = [target for target in (primary, candidate, control) if isinstance(target, Target)]
    mirror = _mirror(options, targets, routed=bool(routes), backends=backends)
    percent = options.number("percent", least=0, most=100)
    scope = configuration.service.scope if configuration.service else "run"
    if candidate is not None:
        _check_scope(mirror, scope, percent)
        if routes and percent is not None:
            message = "--shadow-percent: a route file's own percentage stands; leave one of --shadow-route and --shadow-percent out."
            raise SettingsError(message)
    timeout = options.number("timeout", least=0.01, most=86400)
    context = options.text("allow_context")
    return Settings(
        primary=primary,
        candidate=candidate,
        control=control,
        mirror=mirror,
        tap=_tap(options, mirror, backends),
        percent=percent,
        timeout=10.0 if timeout is None else timeout,
        allow_unsafe=options.flag("allow_unsafe"),
        reports=tuple(_report(given, formats, folder) for given in options.texts("report")),
        accept=options.flag("accept"),
        routes=routes,
        allow_context=str(context.value) if context else None,
        service=configuration.service,
        targets=configuration.targets,
        rules=configuration.rules,
        endpoints=configuration.endpoints,
        redact=configuration.redact,
        limits=configuration.limits,
        envoy=configuration.envoy,
        envoy_image=configuration.envoy_image,
        keep=configuration.keep,
        home=configuration.home,
    )


def _check_scope(mirror: str, scope: str, percent: float | None) -> None:
    if scope == "all" and percent is None:
        message = 'service.scope = "all" mirrors live traffic: say how much of it with --shadow-percent.'
        raise SettingsError(message)
    if scope == "all" and mirror not in ("istio", "gateway-api"):
        message = f'service.scope = "all" needs the mirror istio or gateway-api; this run has {mirror}.'
        raise SettingsError(message)


def _target(given: Given | None, configuration: Configuration) -> Target | None:
    if given is None:
        return None
    name = str(given.value)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name):
        return Target(name=name, url=checked_url(given.place, name))
    if name in configuration.targets:
        return configuration.targets[name]
    known = ", ".join(sorted(configuration.targets)) or "none"
    message = (
        f"{given.place}: there is no target {name!r} in {configuration.place}. Known targets: {known}."
        f"{nearest(name, configuration.targets)} Add [tool.shadowdiff.targets.{_key(name)}], or give an http:// or https:// URL."
    )
    raise SettingsError(message)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _primary(options: Options, configuration: Configuration) -> Target | None:
    given = options.text("primary")
    if given is not None:
        return _target(given, configuration)
    if "v1" in configuration.targets:
        return configuration.targets["v1"]
    wanted = options.text("target")
    if wanted is None:
        return None
    message = (
        f"{wanted.place} is given, and no primary: there is no target 'v1' in {configuration.place}. "
        "Give --shadow-primary=NAME or URL, or `primary` in [tool.shadowdiff]."
    )
    raise SettingsError(message)


def _control(options: Options, configuration: Configuration) -> Target | str | None:
    given = options.text("control")
    if given is None or given.value == "primary":
        return "primary"
    return None if given.value == "none" else _target(given, configuration)


def _mirror(options: Options, targets: list[Target], *, routed: bool, backends: Mapping[str, Backend]) -> str:
    given = options.text("mirror")
    if given is None:
        name = "kubernetes" if any(target.workload for target in targets) else "envoy" if routed else "local"
        place = "the mirror that these targets need"
    else:
        name, place = str(given.value), given.place
    one_of(place, name, backends, "mirror")
    if routed and not backends[name].enacts_routes:
        able = ", ".join(sorted(other for other in backends if backends[other].enacts_routes)) or "none yet"
        message = f"--shadow-route: the mirror {name} does not enact route files. Mirrors that do: {able}."
        raise SettingsError(message)
    for target in targets:
        way = way_of(target)
        if way not in backends[name].ways:
            able = ", ".join(sorted(other for other in backends if way in backends[other].ways)) or "none yet"
            message = f"target {target.name!r} has a {way}, which the mirror {name} cannot reach. Mirrors that can: {able}."
            raise SettingsError(message)
    return name


def way_of(target: Target) -> str:
    """Which of url, command, image, workload the target has."""
    return next(way for way in ("url", "image", "command", "workload") if getattr(target, way) is not None)


def _tap(options: Options, mirror: str, backends: Mapping[str, Backend]) -> str:
    given = options.text("tap")
    able = backends[mirror].taps
    if given is None:
        return able[0]
    name = str(given.value)
    if name in able:
        return name
    message = f"{given.place}: the mirror {mirror} cannot offer the tap {name!r}. It can offer: {', '.join(able)}.{nearest(name, able)}"
    raise SettingsError(message)


def _report(given: Given, formats: Mapping[str, str | None], folder: Path) -> Report:
    name, colon, path = str(given.value).partition(":")
    one_of(given.place, name, formats, "report format")
    if colon and not path:
        message = f"{given.place}: {given.value!r} names no file after the colon. Give FORMAT or FORMAT:PATH."
        raise SettingsError(message)
    default = formats[name]
    if default is None:
        return Report(name, folder / path if path else None)
    file = folder / (path or default)
    if file.is_dir() or not file.parent.is_dir():
        why = "it is a folder" if file.is_dir() else "its folder does not exist"
        message = f"{given.place}: cannot write a file at {file}: {why}."
        raise SettingsError(message)
    return Report(name, file)
