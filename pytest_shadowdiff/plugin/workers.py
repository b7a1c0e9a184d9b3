"""pytest-xdist: each worker has a run of its own, and the controller has one summary and one report of all of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from pytest_shadowdiff.plugin.parts import Gathered, Part
from pytest_shadowdiff.processes.folders import Folder

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "shadowdiff"
MARKS = "shadowdiff-marks"


class Node(Protocol):
    """What is needed of a worker as the controller of pytest-xdist sees it."""

    workerinput: dict[str, Any]
    gateway: Any


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def marks_of(config: pytest.Config) -> bytes | None:
    """What a worker marks secrets with, so that one secret has one mark in all of them; None in any other process."""
    marks: bytes | None = getattr(config, "workerinput", {}).get(MARKS)
    return marks


def hand_over(config: pytest.Config, part: Part) -> None:
    """Give a worker's part to its controller."""
    worker: Any = cast("Any", config)
    folder = Path(worker.workerinput[KEY])
    kept: list[str] = []
    for number, file in enumerate(part.records):
        kept.append(str(shutil.move(file, folder / f"{worker.workerinput['workerid']}-{number}.jsonl")))
    worker.workeroutput[KEY] = replace(part, records=kept).to_plain()


class Workers:
    """The controller's side, as hooks of pytest-xdist."""

    def __init__(self, config: pytest.Config, gathered: Gathered, marks: bytes) -> None:
        self._gathered = gathered
        self._marks = marks
        self._folder: Folder | None = None
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Node) -> None:
        """Tell a worker where its records go."""
        if self._folder is None:
            self._folder = Folder()
            self._config.add_cleanup(self._folder.remove)
        node.workerinput[KEY] = str(self._folder.path)
        node.workerinput[MARKS] = self._marks

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Learn the order of the tests, which is the order of the report."""
        self._gathered.order = list(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Node) -> None:
        """Hear a worker out."""
        plain = getattr(node, "workeroutput", {}).get(KEY)
        if plain is None:
            self._gathered.silent.append(node.gateway.id)
        else:
            self._gathered.parts.append(Part(**plain))
