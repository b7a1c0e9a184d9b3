"""The examples that need a cluster, as a user runs them: the commands of their READMEs, with the exit statuses that stand there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from pytest_shadowdiff.cluster.answers import ClusterError
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.objects import NAMESPACES, collection

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n(?:exit status (\d+)\n)?", re.MULTILINE)


@pytest.fixture
def environment(kubeconfig: Path, connection: Connection, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """As a user's shell has it, with the test cluster as kind's."""
    if shutil.which("kind") is None or shutil.which("kubectl") is None:
        pytest.skip("the examples take kind and kubectl on PATH")
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHADOWDIFF_"))}
    config = tmp_path / "kubeconfig"
    shutil.copy(kubeconfig, config)
    path = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
    yield {**given, "PATH": path, "KUBECONFIG": str(config), "KIND_CLUSTER_NAME": connection.context.removeprefix("kind-")}
    for name in ("shop", "mirroring", "storefront"):
        with contextlib.suppress(ClusterError):  # where a session ended halfway
            connection.call("DELETE", place(name))
        assert until(ticks() + 60, partial(gone, connection, name))


def place(namespace: str) -> str:
    return f"{collection(NAMESPACES, None)}/{namespace}"


def gone(connection: Connection, namespace: str) -> bool:
    try:
        connection.read(place(namespace))
    except ClusterError as error:
        return error.missing
    return False


def session(readme: str) -> str:
    """The commands of a README as one shell session that ends where one does not end as it says."""
    commands = [found for block in CONSOLE.findall(readme) for found in COMMAND.findall(block)]
    steps = [(command, status or "0") for command, status in commands if not command.startswith("python -m pip install")]
    check = "test $got = {0} || {{ echo 'ended with' $got 'instead of {0}'; exit 1; }}"
    return "\n".join(f"echo '$ {command}'\n{command}\ngot=$?\n{check.format(status)}" for command, status in steps)


def run(folder: Path, environment: Mapping[str, str]) -> str:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    words = ["sh", "-c", session(readme)]
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_08_kubernetes(environment: Mapping[str, str]) -> None:
    out = run(ROOT / "examples" / "08-kubernetes", environment)
    assert "GET /orders/{id}" in out
    assert "total" in out
    assert "Nothing is left of any run." in out


def test_10_promotion_gate(environment: Mapping[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "examples" / "10-promotion-gate"
    shutil.copytree(ROOT / "examples", folder.parent, ignore=shutil.ignore_patterns(".*", "shadowdiff-report*"))
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "wheels"), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    out = run(folder, environment)
    assert "8 passed" in out
    assert "7 failed, 1 passed" in out or "8 failed" in out


@pytest.mark.istio
def test_11_istio(environment: Mapping[str, str]) -> None:
    out = run(ROOT / "examples" / "11-istio", environment)
    assert "4 passed" in out
    assert "5 pairs: 5 same" in out
    assert "5 pairs: 5 partial" in out
    assert "VirtualService mirroring/httpbin, spec.http[0].mirror: this route mirrors already, to v2" in out
    assert "Nothing is left of any run." in out


@pytest.mark.istio
def test_12_gateway_api(environment: Mapping[str, str]) -> None:
    out = run(ROOT / "examples" / "12-gateway-api", environment)
    assert "requests enter by Gateway gateway (" in out
    assert "1 failed, 1 passed" in out
    assert '"value":"/orders"}}]}]' in out  # one rule, as it was
    assert "Nothing is left of any run." in out


@pytest.mark.slow
def test_09_kind(environment: Mapping[str, str]) -> None:
    out = run(ROOT / "examples" / "09-kind", environment)
    assert "2 failed" in out
    clusters = subprocess.run(["kind", "get", "clusters"], env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert "shadowdiff" not in clusters
