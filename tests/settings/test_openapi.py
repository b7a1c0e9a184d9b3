"""Endpoints from an OpenAPI file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.settings.openapi import templates

DESCRIBED = {"openapi": "3.1.0", "paths": {"/orders/{id}": {"get": {}, "delete": {}, "parameters": []}, "/me": {"get": {}}}}


def written(folder: Path, text: str) -> Path:
    file = folder / "openapi.yaml"
    file.write_text(text)
    return file


def test_each_operation_is_an_endpoint(tmp_path: Path) -> None:
    assert templates(written(tmp_path, json.dumps(DESCRIBED)), "x") == ("GET /orders/{id}", "DELETE /orders/{id}", "GET /me")


@pytest.mark.parametrize(
    "more",
    [{"servers": [{"url": "https://api.example/v2/"}]}, {"servers": [{"url": "/v2"}]}, {"basePath": "/v2", "swagger": "2.0"}],
)
def test_paths_stand_behind_that_of_the_server(tmp_path: Path, more: dict[str, object]) -> None:
    assert templates(written(tmp_path, json.dumps(DESCRIBED | more)), "x")[0] == "GET /v2/orders/{id}"


def test_yaml_is_read(tmp_path: Path) -> None:
    assert templates(written(tmp_path, "paths:\n  /a/{b}:\n    post: {}\n"), "x") == ("POST /a/{b}",)


@pytest.mark.parametrize("text", ["{", "[]", "a: 1", "paths: []", "!!python/object/apply:os.getcwd []"])
def test_what_describes_nothing_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"pyproject.toml, tool.shadowdiff.openapi: .*openapi.yaml"):
        templates(written(tmp_path, text), "pyproject.toml, tool.shadowdiff.openapi")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        templates(tmp_path / "none.json", "x")


def test_a_run_names_its_endpoints_by_it(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("api.json").write_text(json.dumps(DESCRIBED))
    pytester.makepyprojecttoml('[tool.shadowdiff]\nopenapi = "api.json"\n[tool.shadowdiff.targets.v1]\nurl = "http://127.0.0.1:1"\n')
    from pytest_shadowdiff.settings.configuration import load

    loaded = load(None, pytester.path, lambda values, place: pytest.fail(f"{values} {place}"))
    assert loaded.endpoints == ("GET /orders/{id}", "DELETE /orders/{id}", "GET /me")
