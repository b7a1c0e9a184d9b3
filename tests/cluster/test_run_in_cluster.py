"""Whole runs of pytest against versions in a cluster: verdicts, rolling updates, taps, and the namespace as it was found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_shadowdiff.cluster import objects
from pytest_shadowdiff.cluster.connecting import Connection, ticks, until
from pytest_shadowdiff.cluster.leases import Lease
from pytest_shadowdiff.cluster.objects import CONFIG_MAPS, LEASES, PODS, SERVICES, Kind, Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment")
OURS = {"app.kubernetes.io/managed-by": "pytest-shadowdiff"}
TESTS = """
import pytest

def test_same(shadow):
    assert shadow.get("/things/1?x=1").json()["path"] == "/things/1?x=1"
    assert shadow.get("/headers").status_code == 200

def test_different(shadow):
    assert shadow.get("/price").json()["price"] == 10

def test_redirected_host(shadow):
    assert shadow.get("/headers").json()["headers"]["Host"] == shadow.base_url.netloc.decode()

def test_a_write_is_not_copied(shadow):
    assert shadow.post("/things", content=b"x" * 100_000).json() == {"got": 100_000}
"""


def pytest_in(folder: Path, kubeconfig: Path, *options: str, **popen: Any) -> subprocess.Popen[str]:
    """A run of pytest in a folder of its own, with a JSON report."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "--shadow-report=json:report.json", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SHADOWDIFF_"))}
    environment["KUBECONFIG"] = str(kubeconfig)
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)


def project(folder: Path, configuration: str, tests: str = TESTS) -> Path:
    (folder / "shadowdiff.toml").write_text(configuration, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "test_shop.py").write_text(tests, encoding="utf-8")
    return folder


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def verdicts(folder: Path) -> Counter[tuple[str, str, str]]:
    """How often which verdict was given to which request of which test."""
    return Counter((pair["test"], pair["request"]["url"], pair["verdict"]) for pair in report(folder)["pairs"])


def nothing_of_ours(connection: Connection, namespace: str) -> bool:
    return not any(objects.list_all(connection, kind, namespace, OURS) for kind in (PODS, SERVICES, CONFIG_MAPS, LEASES))


def test_the_same_verdicts_as_with_local(
    deployed_differently: Any, kubeconfig: Path, connection: Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop = deployed_differently
    remote = project(tmp_path_factory.mktemp("remote"), shop.manifest())
    out, _ = pytest_in(remote, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2").communicate(timeout=120)
    assert "kubernetes: Service" in out, out

    app = Path(__file__).with_name("shop_app.py")
    targets = "\n".join(
        f'[targets.{version}]\ncommand = [{json.dumps(sys.executable)}, {json.dumps(str(app))}]\nport = {{}}\nenv = {{ANSWER = "{answer}", '
        f'HOSTNAME = "here", PORT = "{{port}}"}}'
        for version, answer in (("v1", "shop"), ("v2", "other"))
    ).replace("port = {}\n", "")
    local = project(tmp_path_factory.mktemp("local"), targets)
    there, _ = pytest_in(local, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2").communicate(timeout=120)
    assert verdicts(remote) == verdicts(local), out + there
    assert report(remote)["summary"] == report(local)["summary"]
    kinds = {(pair["request"]["url"], each["kind"]) for pair in report(remote)["pairs"] for each in pair["differences"]}
    assert ("/price", "type_changed") in kinds
    assert nothing_of_ours(connection, shop.namespace)


def test_without_a_target_the_primary_alone_is_reached_and_nothing_is_made(
    shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    before = len(objects.list_all(connection, CONFIG_MAPS, shop.namespace))
    project(tmp_path, shop.manifest(), TESTS)
    out, _ = pytest_in(tmp_path, kubeconfig, "--shadow-config=shadowdiff.toml").communicate(timeout=60)
    assert "4 passed" in out, out
    assert nothing_of_ours(connection, shop.namespace)
    assert len(objects.list_all(connection, CONFIG_MAPS, shop.namespace)) == before


ROLLING = """
import pathlib, time

def test_many(shadow):
    here = pathlib.Path(__file__).parent
    for number in range(5000):
        if number == 1000:
            (here / "go").touch()
        shadow.get(f"/things/{number}")
    (here / "done").touch()
"""


def test_rolling_restarts_in_the_middle_of_five_thousand_requests(
    replicated: Any, kubeconfig: Path, connection: Connection, tmp_path: Path
) -> None:
    project(tmp_path, replicated.manifest(), ROLLING)
    process = pytest_in(tmp_path, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2")
    assert until(ticks() + 60, (tmp_path / "go").exists)
    for version in ("v2", "v1"):
        restart(connection, replicated.namespace, f"shop-{version}")
    during = not (tmp_path / "done").exists()
    out, _ = process.communicate(timeout=170)
    summary = report(tmp_path)["summary"]
    assert summary["pairs"] + summary["skipped"] == 5000, out
    assert summary["different"] == 0, out
    assert summary["same"] >= 4900, out
    assert during, "the requests were over before the restarts were"
    assert nothing_of_ours(connection, replicated.namespace)


def restart(connection: Connection, namespace: str, name: str) -> None:
    """As `kubectl rollout restart` does, and wait until it is through."""
    change_deployment(connection, Ref(DEPLOYMENTS, namespace, name), {"metadata": {"annotations": {"restarted": str(ticks())}}})


def change_deployment(connection: Connection, ref: Ref, template: Mapping[str, Any]) -> None:
    """Merge something into the template of its pods, and wait until they are replaced."""
    wanted = objects.merge(connection, ref, {"spec": {"template": template}})["metadata"]["generation"]

    def through() -> bool:
        found = objects.get(connection, ref)
        status, replicas = found["status"], found["spec"]["replicas"]
        counts = [status.get(each) for each in ("updatedReplicas", "readyReplicas", "replicas", "availableReplicas")]
        return status.get("observedGeneration", 0) >= wanted and counts == [replicas] * 4

    assert until(ticks() + 90, through)


def test_the_tap_logs_reads_all_pods_over_a_restart(replicated: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    log = 'log = {method = "method", path = "path", status = "status", id = "id"}'
    configuration = replicated.manifest().replace("workload", f"{log}\nworkload")
    tests = ROLLING.replace("5000", "600").replace("1000", "100").replace('shadow.get(f"/things', 'time.sleep(0.01); shadow.get(f"/things')
    project(tmp_path, configuration, tests)
    process = pytest_in(tmp_path, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2", "--shadow-tap=logs")
    assert until(ticks() + 60, (tmp_path / "go").exists)
    restart(connection, replicated.namespace, "shop-v2")
    out, _ = process.communicate(timeout=120)
    found = report(tmp_path)
    assert found["summary"]["pairs"] == 600, out
    assert found["summary"]["partial"] >= 595, out
    assert found["summary"]["different"] == found["summary"]["same"] == 0
    pods = {pair["candidate"]["tap"].split(", ")[1] for pair in found["pairs"] if pair["candidate"]}
    assert len(pods) >= 3, pods


DROPPED = (
    ROLLING.replace("5000", "400")
    .replace("1000", "100")
    .replace("shadow.get(", "time.sleep(0.03); ask(shadow, ")
    .replace(
        "def test_many",
        """
def ask(shadow, path):
    try:
        shadow.get(path)
    except Exception:
        pass

def test_many""",
    )
)


def test_a_dropped_api_connection_costs_what_was_on_its_way_and_no_more(
    shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path, api_proxy: Any
) -> None:
    project(tmp_path, shop.manifest(), DROPPED)
    with api_proxy() as proxy:
        through = proxy.kubeconfig(kubeconfig, tmp_path)
        process = pytest_in(tmp_path, through, "--shadow-config=shadowdiff.toml", "--shadow-target=v2")
        assert until(ticks() + 60, (tmp_path / "go").exists)
        proxy.drop()
        out, _ = process.communicate(timeout=120)
    found = report(tmp_path)
    summary = found["summary"]
    assert summary["pairs"] + summary["skipped"] == 400, out
    assert summary["different"] == 0
    last = {f"/things/{number}" for number in range(360, 400)}
    assert {pair["verdict"] for pair in found["pairs"] if pair["request"]["url"] in last} == {"same"}, "it did not go on"
    assert all(pair["reason"] for pair in found["pairs"] if pair["verdict"] == "incomplete")
    assert nothing_of_ours(connection, shop.namespace)


WAITING = """
import pathlib, time

def test_waits(shadow):
    shadow.get("/")
    (pathlib.Path(__file__).parent / "go").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_interrupted_and_nothing_left(how: signal.Signals, shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    project(tmp_path, shop.manifest(), WAITING)
    process = pytest_in(tmp_path, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2")
    assert until(ticks() + 60, (tmp_path / "go").exists)
    assert not nothing_of_ours(connection, shop.namespace)
    process.send_signal(how)
    out, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert nothing_of_ours(connection, shop.namespace), out


def test_a_run_that_lost_its_lease_says_so_and_fails(shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    until_told = WAITING.replace("time.sleep(60)", "[time.sleep(0.05) for _ in range(1200) if not pathlib.Path('told').exists()]")
    project(tmp_path, shop.manifest(lease_seconds=1), until_told)
    process = pytest_in(tmp_path, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2")
    assert until(ticks() + 60, (tmp_path / "go").exists)
    (lease,) = objects.list_all(connection, LEASES, shop.namespace, OURS)
    ref = Ref(LEASES, shop.namespace, lease["metadata"]["name"])
    objects.delete(connection, ref, uid=lease["metadata"]["uid"])
    other = Lease(connection, shop.namespace, shop.service, "another", 30)
    other.acquire(wait=0)
    until(ticks() + 3, lambda: False)  # longer than the lease of the run
    (tmp_path / "told").touch()
    out, _ = process.communicate(timeout=60)
    other.release()
    assert process.returncode == 1, out
    assert "Nothing is changed any more" in out
    assert "Traceback" not in out
    assert not nothing_of_ours(connection, shop.namespace)
    assert "put back" in command(tmp_path, kubeconfig, "cleanup")
    assert nothing_of_ours(connection, shop.namespace)


def test_killed_and_put_back_by_the_command(shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    project(tmp_path, shop.manifest(lease_seconds=2), WAITING)
    process = pytest_in(tmp_path, kubeconfig, "--shadow-config=shadowdiff.toml", "--shadow-target=v2")
    assert until(ticks() + 60, (tmp_path / "go").exists)
    assert "left alone" in command(tmp_path, kubeconfig, "cleanup", status=1)
    process.kill()
    process.communicate(timeout=30)
    said = command(tmp_path, kubeconfig, "cleanup", "--dry-run", status=1)
    assert f"delete Pod {shop.namespace}/shadowdiff-" in said
    assert not nothing_of_ours(connection, shop.namespace)
    said = command(tmp_path, kubeconfig, "cleanup")
    assert "put back" in said
    assert nothing_of_ours(connection, shop.namespace)
    assert "Nothing is left" in command(tmp_path, kubeconfig, "cleanup")


def test_the_plan_shows_what_a_run_makes_and_makes_nothing(shop: Any, kubeconfig: Path, connection: Connection, tmp_path: Path) -> None:
    project(tmp_path, shop.manifest())
    said = command(tmp_path, kubeconfig, "plan", "--shadow-target=v2")
    for kind in ("Lease", "ConfigMap", "Service", "Pod"):
        assert f"+++ {kind} {shop.namespace}/shadowdiff-" in said
    assert "has   create pods/portforward" in said
    assert nothing_of_ours(connection, shop.namespace)


def command(folder: Path, kubeconfig: Path, *words: str, status: int = 0) -> str:
    options = [f"--{'shadow-' * (words[0] == 'plan')}config=shadowdiff.toml"]
    line = [sys.executable, "-c", "import sys; from pytest_shadowdiff.cli import main; sys.exit(main())", *words, *options]
    ended = subprocess.run(
        line, cwd=folder, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout
