"""Envoy as a process: started, refused, ended."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_shadowdiff.backends import MirrorPlan
from pytest_shadowdiff.envoy.binary import Binary
from pytest_shadowdiff.envoy.configuration import Configuration, versions_of
from pytest_shadowdiff.envoy.process import Process
from pytest_shadowdiff.errors import SettingsError, SetupError
from pytest_shadowdiff.mirror.envoy import create
from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.settings import Settings, Target

if TYPE_CHECKING:
    from tests.envoy.conftest import Lab

V1 = Upstream("v1", "127.0.0.1", 8001)


def test_a_configuration_that_envoy_refuses_is_an_error_with_its_words(binary: Binary, tmp_path: Path) -> None:
    wrong = Configuration("r1", versions_of(V1, None, None), routes=[{"match": {"prefix": "/"}, "route": {"cluster": "nowhere"}}])
    process = Process(binary, wrong, tmp_path)
    with pytest.raises(SetupError, match=r"did not start.*exit status 1(?s:.*)unknown cluster 'nowhere'"):
        process.start()


def test_its_files_are_private(start_lab: Callable[..., Lab], tmp_path: Path) -> None:
    start_lab()
    assert (tmp_path / "envoy.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "envoy.log").stat().st_mode & 0o077 == 0


def test_it_listens_on_loopback_only_and_is_gone_when_it_is_stopped(start_lab: Callable[..., Lab]) -> None:
    process = start_lab().process
    places = (process.admin, process.entry)
    assert {host for host, _ in places} == {"127.0.0.1"}
    process.stop()
    process.stop()
    for place in places:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place)


def test_many_at_once_get_ports_of_their_own(binary: Binary, tmp_path: Path) -> None:
    processes = []
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        processes.append(Process(binary, Configuration(f"r{number}", versions_of(V1, None, None)), tmp_path / str(number)))
    for process in processes:
        process.start()
    assert len({place for process in processes for place in (process.admin, process.entry)}) == 8
    for process in processes:
        process.stop()


def test_a_configured_binary_that_is_none_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "envoy-of-mine").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "envoy-of-mine").chmod(0o755)
    settings = Settings(primary=Target("v1", url="http://127.0.0.1:8001"), mirror="envoy", envoy="envoy-of-mine", home=tmp_path)
    mirror = create(MirrorPlan(settings, "r1", tmp_path, V1, None))
    with pytest.raises(SettingsError, match=r"envoy-of-mine is no Envoy"):
        mirror.start()
    mirror.stop()
