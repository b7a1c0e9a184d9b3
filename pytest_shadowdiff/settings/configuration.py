"""`[tool.shadowdiff]` -> targets, service, limits and rules, each checked where it stands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Rule, Tls
from pytest_shadowdiff.settings import ENVOY_IMAGE, Limits, Service, Target
from pytest_shadowdiff.settings.openapi import templates
from pytest_shadowdiff.settings.table import Table, describe, one_of

RuleFrom = Callable[[Mapping[str, object], str], Rule]

OPTIONS = frozenset(
    {"target", "primary", "control", "mirror", "tap", "percent", "timeout", "allow_unsafe", "accept", "report", "route", "allow_context"}
)
TABLES = frozenset({"targets", "service", "rules", "limits", "endpoints", "openapi", "keep", "envoy", "envoy_image", "redact"})
WAYS = ("url", "command", "image", "workload")
TARGET_KEYS = frozenset(
    {*WAYS, "port", "ready", "ready_seconds", "env", "cwd", "volumes", "pull", "headers", "host", "tls", "log", "log_file", "capture"}
)
LOG_FORMATS = ("combined", "common", "envoy", "json")
SERVICE_KEYS = frozenset(item.name for item in fields(Service))
LIMIT_KEYS = {
    "max_body": "body",
    "max_ratio": "ratio",
    "max_depth": "depth",
    "max_compare_seconds": "seconds",
    "max_queue": "queue",
    "max_queue_bytes": "queue_bytes",
    "max_connections": "connections",
    "max_head_seconds": "head_seconds",
    "max_connect_seconds": "connect_seconds",
    "max_spool": "spool",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration file, checked, options still as they were written.

    Attributes:
        place: the file and table, for messages.
        home: the folder that relative paths start from.
    """

    place: str
    home: Path
    options: Mapping[str, object] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    service: Service | None = None
    rules: tuple[Rule, ...] = ()
    endpoints: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    envoy: str | None = None
    envoy_image: str = ENVOY_IMAGE
    keep: bool = False


def load(file: Path | None, rootdir: Path, rule_from: RuleFrom) -> Configuration:
    """The configuration of `--shadow-config`, else of `pyproject.toml` at pytest's rootdir.

    Raises:
        SettingsError: it cannot be read, or says something wrong.
    """
    if file is None:
        file = rootdir / "pyproject.toml"
        if not file.is_file():
            return Configuration(place=str(file), home=rootdir)
        return _configuration(_tool_table(_parse(file)), file, "[tool.shadowdiff]", rule_from)
    if not file.is_file():
        message = f"--shadow-config={file}: there is no such file. Give the path of a TOML file with the tables of [tool.shadowdiff]."
        raise SettingsError(message)
    document = _parse(file)
    if "tool" in document:
        return _configuration(_tool_table(document), file, "[tool.shadowdiff]", rule_from)
    return _configuration(document, file, "the top level", rule_from)


def _tool_table(document: Mapping[str, object]) -> object:
    tool = document.get("tool")
    return tool.get("shadowdiff", {}) if isinstance(tool, Mapping) else {}


def log_format(place: str, text: str) -> str | Mapping[str, str]:
    """A log's format from the command line, as a target's `log` has it: a name, an inline table, or a regular expression.

    Raises:
        SettingsError: it is none of them.
    """
    value = _toml(f"log = {text}", place)["log"] if text.startswith("{") else text
    try:
        return _log(Table({"log": value}, place, ("log",))) or {}
    except SettingsError as error:
        raise SettingsError(str(error).replace(f"{place}.log", place)) from None


def _parse(file: Path) -> Mapping[str, object]:
    try:
        return _toml(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read as TOML: {error}."
        raise SettingsError(message) from None


def _toml(text: str, place: str) -> Mapping[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{place}: cannot be read as TOML: {error}."
        raise SettingsError(message) from None


def _configuration(values: object, file: Path, table: str, rule_from: RuleFrom) -> Configuration:
    place = f"{file}, {table}"
    top = Table(values, place, OPTIONS | TABLES)
    home = file.parent
    named = top.raw("targets") or {}
    if not isinstance(named, Mapping):
        raise top.wrong("targets", "a table of targets")
    return Configuration(
        place=place,
        home=home,
        options={key: value for key, value in top.values.items() if key in OPTIONS},
        targets={name: target(name, value, f"{place}, targets.{name}", home) for name, value in named.items()},
        service=_service(top.raw("service"), f"{place}, service"),
        rules=_rules(top, rule_from),
        endpoints=(*(top.words("endpoints") or ()), *_described(top, home)),
        redact=tuple(top.words("redact") or ()),
        limits=_limits(top.raw("limits"), f"{place}, limits"),
        envoy=top.text("envoy"),
        envoy_image=top.text("envoy_image") or ENVOY_IMAGE,
        keep=top.flag("keep") or False,
    )


def _described(top: Table, home: Path) -> tuple[str, ...]:
    file = _path(home, top.text("openapi"))
    return templates(file, f"{top.place}.openapi") if file is not None else ()


def _rules(top: Table, rule_from: RuleFrom) -> tuple[Rule, ...]:
    rows = top.raw("rules")
    if rows is None:
        return ()
    if not isinstance(rows, list):
        raise top.wrong("rules", "tables [[tool.shadowdiff.rules]]")
    made = []
    for number, row in enumerate(rows, 1):
        place = f"{top.place}, rules[{number}]"
        if not isinstance(row, Mapping):
            message = f"{place}: expected a table, not {describe(row)}."
            raise SettingsError(message)
        made.append(rule_from(row, place))
    return tuple(made)


def target(name: str, values: object, place: str, home: Path) -> Target:
    """One target's table.

    Raises:
        SettingsError: not exactly one way of being reached, or a value of the wrong type.
    """
    table = Table(values, place, TARGET_KEYS)
    way = _way(table)
    command, env, cwd = table.raw("command"), table.strings("env"), table.text("cwd")
    _only(table, "cwd", way, {"command"})
    _only(table, "env", way, {"command", "image"})
    _only(table, "volumes", way, {"image"})
    _only(table, "pull", way, {"image"})
    if way == "command":
        _needs_port(table)
    return Target(
        name=name,
        url=checked_url(place + ".url", table.text("url")),
        command=_command(table) if way == "command" else None,
        image=table.text("image"),
        workload=_workload(table),
        port=table.whole("port", least=1, most=65535),
        ready=_ready(table),
        ready_seconds=table.number("ready_seconds", least=0.1) or 60.0,
        env=env or {},
        cwd=home / cwd if cwd else (home if way == "command" else None),
        image_command=_command(table) if way == "image" and command is not None else None,
        volumes=tuple(table.words("volumes") or ()),
        pull=table.text("pull"),
        headers=tuple((table.strings("headers") or {}).items()),
        host=table.text("host"),
        tls=_tls(table.raw("tls"), place + ".tls", home),
        log=_log(table),
        log_file=_path(home, table.text("log_file")),
        capture=_path(home, table.text("capture")),
    )


def _way(table: Table) -> str:
    given = [way for way in WAYS if way in table]
    if given == ["command", "image"]:
        return "image"  # an image's own command
    if len(given) != 1:
        what = "none of them" if not given else " and ".join(given)
        message = f"{table.place}: needs exactly one of url, command, image, workload; it has {what}."
        raise SettingsError(message)
    return given[0]


def _only(table: Table, key: str, way: str, ways: set[str]) -> None:
    if key in table and way not in ways:
        message = f"{table.place}.{key}: has no meaning for a target with {way}; it goes with {' or '.join(sorted(ways))}."
        raise SettingsError(message)


def _command(table: Table) -> tuple[str, ...]:
    value = table.raw("command")
    if isinstance(value, str) or not value:
        raise table.wrong("command", 'a list of words, such as ["gunicorn", "-b", "127.0.0.1:{port}", "app"]')
    return tuple(table.words("command") or ())


def _needs_port(table: Table) -> None:
    words = (*_command(table), *(table.strings("env") or {}).values())
    if "port" not in table and not any("{port}" in word for word in words):
        message = f"{table.place}: nothing tells the command its port. Put {{port}} where it takes one (command or env), or name its port."
        raise SettingsError(message)


def _ready(table: Table) -> str | None:
    ready = table.text("ready")
    if ready is not None and not ready.startswith("/"):
        raise table.wrong("ready", 'a path that starts with "/"')
    return ready


def _workload(table: Table) -> Mapping[str, object] | None:
    value = table.raw("workload")
    if value is None:
        return None
    inner = Table(value, table.place + ".workload", {"labels", "service"})
    if ("labels" in inner) == ("service" in inner):
        message = f"{inner.place}: needs exactly one of labels, service."
        raise SettingsError(message)
    return {"labels": inner.strings("labels")} if "labels" in inner else {"service": inner.text("service")}


def _tls(values: object, place: str, home: Path) -> Tls | None:
    if values is None:
        return None
    table = Table(values, place, {"ca", "cert", "key", "server_name", "verify"})
    files = {name: _path(home, table.text(name)) for name in ("ca", "cert", "key")}
    for name, file in files.items():
        if file is not None and not file.is_file():
            message = f"{place}.{name}: there is no file {file}."
            raise SettingsError(message)
    verify = table.flag("verify")
    ca, cert, key = (None if file is None else str(file) for file in files.values())
    return Tls(ca=ca, cert=cert, key=key, server_name=table.text("server_name"), verify=verify is not False)


def _log(table: Table) -> str | Mapping[str, str] | None:
    value = table.raw("log")
    if value is None or isinstance(value, Mapping):
        return table.strings("log")
    named = table.text("log")
    if named is not None and named not in LOG_FORMATS and "(?P<" not in named:
        raise table.wrong("log", f"one of {', '.join(LOG_FORMATS)}, a table of field names, or a regular expression with named groups")
    return named


def _path(home: Path, text: str | None) -> Path | None:
    return None if text is None else home / text


def checked_url(place: str, url: str | None) -> str | None:
    """An http or https URL with a host and, at most, a port and a path.

    Raises:
        SettingsError: it is something else.
    """
    from urllib.parse import urlsplit

    if url is None:
        return None
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or any(blank in url for blank in " \t\r\n"):
        message = f"{place}: {url!r} is no URL of a version. Give http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]."
        raise SettingsError(message)
    return url


def _service(values: object, place: str) -> Service | None:
    if values is None:
        return None
    table = Table(values, place, SERVICE_KEYS)
    name = table.text("name")
    if not name:
        message = f"{place}: needs the service's name."
        raise SettingsError(message)
    default = Service(name)
    return Service(
        name=name,
        namespace=table.text("namespace") or default.namespace,
        port=table.whole("port", least=1, most=65535) or default.port,
        context=table.text("context"),
        entry=checked_url(place + ".entry", table.text("entry")),
        scope=one_of(place + ".scope", table.text("scope") or default.scope, ("run", "all"), "scope"),
        host=table.text("host"),
        ephemeral_image=table.text("ephemeral_image"),
        lease_seconds=table.number("lease_seconds", least=1) or default.lease_seconds,
        image=table.text("image") or default.image,
        pull_secret=table.text("pull_secret"),
        account=table.text("account"),
        start_seconds=table.number("start_seconds", least=1) or default.start_seconds,
        wait_seconds=default.wait_seconds if "wait_seconds" not in table else table.number("wait_seconds", least=0) or 0.0,
    )


def _limits(values: object, place: str) -> Limits:
    if values is None:
        return Limits()
    table = Table(values, place, LIMIT_KEYS)
    given = {LIMIT_KEYS[key]: table.number(key, least=0.01) for key in table.values}
    default = Limits()
    return replace(default, **{name: type(getattr(default, name))(value) for name, value in given.items() if value})
