"""The public surface, by name: what users type and import stays what it is."""

from __future__ import annotations

import inspect
from dataclasses import fields
from importlib.metadata import entry_points

import pytest

import pytest_shadowdiff
from pytest_shadowdiff import Difference, Response, Rule, compare
from pytest_shadowdiff.mirror import MIRRORS
from pytest_shadowdiff.model import Kind, Verdict
from pytest_shadowdiff.plugin import hookspecs
from pytest_shadowdiff.report import FORMATS
from pytest_shadowdiff.tap import TAPS
from pytest_shadowdiff.targets import WAYS


def test_the_package_exports_what_is_documented_and_nothing_else() -> None:
    assert pytest_shadowdiff.__all__ == [
        "Difference",
        "Exchange",
        "IncompleteError",
        "Pair",
        "Request",
        "Response",
        "Rule",
        "ShadowDifference",
        "ShadowError",
        "Verdict",
        "compare",
    ]
    assert all(hasattr(pytest_shadowdiff, name) for name in pytest_shadowdiff.__all__)


def test_compare_takes_what_it_always_took() -> None:
    taken = inspect.signature(compare).parameters
    assert list(taken)[:3] == ["primary", "candidate", "rules"]
    assert taken["rules"].default == ()
    answer = Response(200, [("Content-Type", "application/json")], b"{}")
    assert compare(answer, answer) == []


def test_values_have_the_fields_that_are_documented() -> None:
    assert [field.name for field in fields(Response)][:3] == ["status", "headers", "body"]
    assert {"trailers", "http_version"} <= {field.name for field in fields(Response)}
    assert {"endpoint", "ignore", "unordered", "tolerance"} <= {field.name for field in fields(Rule)}
    assert [field.name for field in fields(Difference)] == ["path", "kind", "primary", "candidate"]


def test_verdicts_and_kinds_are_the_documented_words() -> None:
    assert [str(verdict) for verdict in Verdict] == ["same", "noise", "accepted", "partial", "different", "incomplete", "skipped"]
    kinds = "value_changed type_changed missing added reordered shape_changed status_changed header_changed body_changed"
    assert " ".join(map(str, Kind)) == kinds


def test_hooks_of_users_plugins() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("pytest_shadowdiff_")}
    assert hooks == {f"pytest_shadowdiff_{name}" for name in ("endpoint", "normalize", "redact", "judged")}


def test_it_is_found_by_pytest_and_by_the_shell() -> None:
    assert [entry.value for entry in entry_points(group="pytest11", name="shadowdiff")] == ["pytest_shadowdiff.plugin"]
    (command,) = entry_points(group="console_scripts", name="shadowdiff")
    assert callable(command.load())


@pytest.mark.parametrize("registry", [MIRRORS, TAPS, FORMATS, WAYS], ids=["mirrors", "taps", "formats", "ways"])
def test_what_a_registry_offers_is_there(registry: dict[str, object]) -> None:
    from importlib import import_module

    packages = {id(MIRRORS): "mirror", id(TAPS): "tap", id(FORMATS): "report", id(WAYS): "targets"}
    for name, entry in registry.items():
        module = getattr(entry, "module", entry)
        module = module if isinstance(module, str) and "." in module and "pytest_shadowdiff" in module else None
        import_module(module or f"pytest_shadowdiff.{packages[id(registry)]}.{name}")


def test_help_markers_and_fixtures_say_what_there_is(pytester: pytest.Pytester) -> None:
    said = pytester.runpytest_subprocess("--help").stdout.str()
    for option in ("target", "primary", "control", "mirror", "tap", "percent", "timeout", "allow-unsafe", "report", "accept", "config"):
        assert f"--shadow-{option}" in said
    pytester.runpytest_subprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.shadow(*"])
    listed = pytester.runpytest_subprocess("--fixtures").stdout.str().splitlines()
    for name in ("shadow", "async_shadow", "shadow_url"):
        (line,) = [number for number, text in enumerate(listed) if text.startswith(f"{name} -- ")]
        assert listed[line + 1].strip() not in ("", "no docstring available")
