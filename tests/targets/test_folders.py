from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_shadowdiff.processes.folders import Folder, leftovers

KILLED = "import os; from pytest_shadowdiff.processes.folders import Folder; print(Folder().path, flush=True); os.kill(os.getpid(), 9)"


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def killed() -> Path:
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_what_a_killed_process_left_goes_with_the_next() -> None:
    left = killed()
    assert left.is_dir()
    assert list(leftovers()) == [left]
    folder = Folder()
    assert not left.exists()
    folder.remove()


def test_a_folder_in_use_and_one_that_was_kept_are_left_alone() -> None:
    used, kept = Folder(), Folder()
    kept.leave()
    third = Folder()
    assert used.path.is_dir()
    assert kept.path.is_dir()
    assert list(leftovers()) == []
    used.remove()
    third.remove()
    assert not used.path.exists()


def test_others_folders_of_such_a_name_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "shadowdiff-of-somebody"
    other.mkdir()
    Folder().remove()
    assert other.is_dir()
