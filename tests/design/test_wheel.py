"""What is published works: the wheel, built, read, installed into an empty environment and used."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_the_package_typed_and_licensed_and_no_tests(dist: Path) -> None:
    (file,) = dist.glob("*.whl")
    names = zipfile.ZipFile(file).namelist()
    assert {"pytest_shadowdiff/py.typed", "pytest_shadowdiff/processes/supervisor.py"} <= set(names)
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"pytest_shadowdiff"}
    sources = {str(source.relative_to(ROOT)) for source in (ROOT / "pytest_shadowdiff").rglob("*.py")}
    assert sources <= set(names)


def test_the_source_distribution_can_be_tested(dist: Path) -> None:
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "conftest.py", "tests/conftest.py", "docs/index.md"} <= names
    assert not [name for name in names if "/.v" in name or name.endswith(".log")]


def test_it_works_where_nothing_else_is_installed(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel], check=True, cwd=tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        """
        [tool.shadowdiff.targets]
        v1 = { command = ["python", "-m", "http.server", "-b", "127.0.0.1", "{port}"], ready = "/" }
        v2 = { command = ["python", "-m", "http.server", "-b", "127.0.0.1", "{port}"], ready = "/", cwd = "changed" }
        """,
        encoding="utf-8",
    )
    (project / "answer.txt").write_text("42\n", encoding="utf-8")
    (project / "changed").mkdir()
    (project / "changed" / "answer.txt").write_text("43\n", encoding="utf-8")
    (project / "test_it.py").write_text("def test_it(shadow):\n    assert shadow.get('/answer.txt').text == '42\\n'\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    environment = {**kept, "PATH": f"{place / 'bin'}{os.pathsep}{kept['PATH']}"}
    told = {
        target: subprocess.run(
            [place / "bin" / "pytest", "-q", *([f"--shadow-target={target}"] if target else [])],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for target in ("", "v1", "v2")
    }
    assert {target: done.returncode for target, done in told.items()} == {"": 0, "v1": 0, "v2": 1}, told
    assert '"42"' in told["v2"].stdout
    assert subprocess.run([place / "bin" / "shadowdiff", "--help"], env=environment, capture_output=True, check=False).returncode == 0
