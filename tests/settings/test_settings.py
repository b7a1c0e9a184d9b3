from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.rules import rule_from
from pytest_shadowdiff.settings import Settings, configuration, resolve


@dataclass(frozen=True)
class Backend:
    taps: tuple[str, ...] = ("proxy",)
    enacts_routes: bool = False
    ways: tuple[str, ...] = ("url", "command")


BACKENDS = {
    "local": Backend(),
    "envoy": Backend(("envoy", "logs"), enacts_routes=True),
    "kubernetes": Backend(("envoy", "logs"), ways=("workload",)),
}
FORMATS = {"json": "shadowdiff-report.json", "html": "shadowdiff-report.html", "github": None}
TWO = """
[tool.shadowdiff.targets.v1]
url = "http://127.0.0.1:1/"
[tool.shadowdiff.targets.v2]
command = ["serve", "{port}"]
"""


def read(
    folder: Path, toml: str = TWO, /, *, environ: dict[str, str] | None = None, file: str | None = None, **command_line: object
) -> Settings:
    (folder / (file or "pyproject.toml")).write_text(toml)
    loaded = configuration.load(folder / file if file else None, folder, rule_from)
    options = resolve.Options(command_line, environ or {}, loaded)
    return resolve.resolve(options, loaded, backends=BACKENDS, formats=FORMATS, folder=folder)


def refuse(folder: Path, toml: str = TWO, /, **how: object) -> str:
    with pytest.raises(SettingsError) as caught:
        read(folder, toml, **how)  # type: ignore[arg-type]
    return str(caught.value)


def test_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, target="v2")
    assert settings.primary is not None
    assert settings.candidate is not None
    assert (settings.primary.name, settings.candidate.name) == ("v1", "v2")
    assert (settings.control, settings.mirror, settings.tap, settings.percent, settings.timeout) == (
        "primary",
        "local",
        "proxy",
        None,
        10.0,
    )
    assert settings.candidate.cwd == tmp_path


def test_urls_need_no_configuration(tmp_path: Path) -> None:
    settings = read(tmp_path, "", primary="http://127.0.0.1:8001", target="https://[::1]:8002/v2")
    assert settings.candidate is not None
    assert settings.candidate.url == "https://[::1]:8002/v2"


def test_precedence_is_command_line_environment_configuration_default(tmp_path: Path) -> None:
    toml = "[tool.shadowdiff]\ntimeout = 3\npercent = 30\nallow_unsafe = true\n" + TWO
    environ = {"SHADOWDIFF_TIMEOUT": "2", "SHADOWDIFF_REPORT": "json:a.json,github"}
    settings = read(tmp_path, toml, environ=environ, target="v2", timeout="1")
    assert (settings.timeout, settings.percent, settings.allow_unsafe) == (1.0, 30.0, True)
    assert read(tmp_path, toml, environ=environ, target="v2").timeout == 2.0
    assert [report.format for report in settings.reports] == ["json", "github"]
    assert settings.reports[0].path == tmp_path / "a.json"


def test_the_environment_can_turn_it_on(tmp_path: Path) -> None:
    assert read(tmp_path, environ={"SHADOWDIFF_TARGET": "v2", "SHADOWDIFF_ALLOW_UNSAFE": "0"}).candidate is not None


@pytest.mark.parametrize("prefix", ["tool.shadowdiff.", ""])
def test_a_file_of_its_own_has_the_tables_with_or_without_prefix(tmp_path: Path, prefix: str) -> None:
    toml = f'[{prefix}targets.v1]\nurl = "http://127.0.0.1:1"\n[{prefix}targets.v2]\nurl = "http://127.0.0.1:2"\n'
    assert read(tmp_path, toml, file="shadow.toml", target="v2").candidate is not None


def test_without_a_target_nothing_is_compared(tmp_path: Path) -> None:
    assert read(tmp_path).candidate is None
    assert read(tmp_path, "").primary is None


@pytest.mark.parametrize(
    "command_line, words",
    [
        ({"target": "v22"}, ["--shadow-target", "'v22'", "v1, v2", 'Did you mean "v2"?']),
        ({"target": "ftp://x"}, ["--shadow-target", "ftp://x", "http://HOST"]),
        ({"target": "http://"}, ["--shadow-target", "no URL"]),
        ({"target": "http://h/?q=1"}, ["no URL"]),
        ({"target": "http://h:99999"}, ["no URL"]),
        ({"target": "v2", "primary": "v3"}, ["--shadow-primary", "'v3'"]),
        ({"target": "v2", "control": "v3"}, ["--shadow-control", "'v3'"]),
        ({"target": "v2", "mirror": "locl"}, ["--shadow-mirror", "'locl'", 'Did you mean "local"?']),
        ({"target": "v2", "tap": "envoy"}, ["--shadow-tap", "local", "'envoy'", "proxy"]),
        ({"target": "v2", "percent": "101"}, ["--shadow-percent", "0 to 100", "'101'"]),
        ({"target": "v2", "percent": "nan"}, ["--shadow-percent"]),
        ({"target": "v2", "timeout": "soon"}, ["--shadow-timeout", "'soon'"]),
        ({"target": "v2", "timeout": "0"}, ["--shadow-timeout"]),
        ({"target": "v2", "report": ["jsn"]}, ["--shadow-report", "'jsn'", 'Did you mean "json"?']),
        ({"target": "v2", "report": ["json:"]}, ["--shadow-report", "after the colon"]),
        ({"target": "v2", "report": ["json:nowhere/x.json"]}, ["--shadow-report", "does not exist"]),
        ({"target": "v2", "route": ["r.yaml"], "mirror": "local"}, ["--shadow-route", "local", "envoy"]),
    ],
)
def test_bad_options_name_place_value_and_what_is_allowed(tmp_path: Path, command_line: dict[str, object], words: list[str]) -> None:
    message = refuse(tmp_path, **command_line)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "toml, words",
    [
        ("[tool.shadowdiff]\nprimry = 'v1'", ["[tool.shadowdiff]", "'primry'", 'Did you mean "primary"?']),
        ("[tool.shadowdiff]\nmirror = 3", ["mirror", "a string", "3 (int)"]),
        ("[tool.shadowdiff.targets.v1]\nurl = 'http://h'\ncommand = ['x']", ["targets.v1", "exactly one of", "url and command"]),
        ("[tool.shadowdiff.targets.v1]\nport = 80", ["targets.v1", "exactly one of", "none of them"]),
        ("[tool.shadowdiff.targets.v1]\nurl = 'x'", ["targets.v1.url", "'x'"]),
        ("[tool.shadowdiff.targets.v1]\nurl = 'http://h'\ncwd = '.'", ["targets.v1.cwd", "no meaning"]),
        ("[tool.shadowdiff.targets.v1]\ncommand = 'serve'", ["targets.v1.command", "list of words"]),
        ("[tool.shadowdiff.targets.v1]\nurl = 'http://h'\nready = 'up'", ["targets.v1.ready", "starts with"]),
        ("[tool.shadowdiff.targets.v1]\nurl = 'http://h'\nlog = 'apache'", ["targets.v1.log", "combined"]),
        ("[tool.shadowdiff.targets.v1]\nurl = 'http://h'\ntls = {caa = 'x'}", ["targets.v1.tls", "'caa'", '"ca"']),
        ("[tool.shadowdiff.targets.v1]\nurl = 'https://h'\ntls = {ca = 'x.pem'}", ["targets.v1.tls.ca", "no file"]),
        ("[tool.shadowdiff.targets.v1]\nworkload = {}", ["targets.v1.workload", "labels, service"]),
        ("[tool.shadowdiff.targets]\nv1 = 'x'", ["targets.v1", "expected a table", "'x' (str)"]),
        ("[tool.shadowdiff.service]\nnamespace = 'x'", ["service", "name"]),
        ("[tool.shadowdiff.service]\nname = 'x'\nscope = 'al'", ["service.scope", "'al'"]),
        ("[[tool.shadowdiff.rules]]\nignored = ['$.x']", ["rules[1]", "ignored"]),
        ("[tool.shadowdiff.limits]\nmax_body = -1", ["limits.max_body"]),
        ("[tool.shadowdiff", ["pyproject.toml", "TOML"]),
    ],
)
def test_bad_configuration_names_place_value_and_what_is_allowed(tmp_path: Path, toml: str, words: list[str]) -> None:
    message = refuse(tmp_path, toml)
    for word in words:
        assert word in message


def test_a_target_that_the_mirror_cannot_reach(tmp_path: Path) -> None:
    toml = TWO + "[tool.shadowdiff.targets.v3]\nworkload = {labels = {version = 'v3'}}\n"
    assert "kubernetes" in refuse(tmp_path, toml, target="v3", mirror="local")


def test_a_workload_implies_kubernetes_and_a_route_implies_envoy(tmp_path: Path) -> None:
    workloads = "".join(f"[tool.shadowdiff.targets.v{n}]\nworkload = {{labels = {{version = 'v{n}'}}}}\n" for n in (1, 2))
    assert read(tmp_path, workloads, target="v2").mirror == "kubernetes"
    assert read(tmp_path, route=["r.yaml"]).mirror == "envoy"


def test_a_route_has_its_own_percentage(tmp_path: Path) -> None:
    assert "--shadow-percent" in refuse(tmp_path, target="v2", route=["r.yaml"], percent="5")


def test_live_traffic_needs_a_share(tmp_path: Path) -> None:
    toml = TWO + "[tool.shadowdiff.service]\nname = 'x'\nscope = 'all'\n"
    assert "--shadow-percent" in refuse(tmp_path, toml, target="v2")


def test_no_primary(tmp_path: Path) -> None:
    assert "--shadow-primary" in refuse(tmp_path, "", target="http://127.0.0.1:1")
