"""What all areas share: the gates of the markers, and the folder of test data."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.midway import Midway

hypothesis.settings.register_profile("calm", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("calm")  # a loaded machine is no bug
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: what tests interrupt would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
GATES = {
    "docker": ("SHADOWDIFF_TEST_DOCKER", "no Docker engine: start one and set SHADOWDIFF_TEST_DOCKER=1"),
    "cluster": ("SHADOWDIFF_TEST_KUBECONFIG", "no cluster made for tests: name its kubeconfig in SHADOWDIFF_TEST_KUBECONFIG"),
    "istio": ("SHADOWDIFF_TEST_ISTIO", "no Istio in the test cluster: install it and set SHADOWDIFF_TEST_ISTIO=1"),
    "slow": ("SHADOWDIFF_TEST_SLOW", "takes long: set SHADOWDIFF_TEST_SLOW=1"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    closed = {marker: pytest.mark.skip(reason=reason) for marker, (variable, reason) in GATES.items() if not os.environ.get(variable)}
    for item in items:
        for marker, skip in closed.items():
            if item.get_closest_marker(marker):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs these tests may have settings of their own; no test may depend on them."""
    for name in list(os.environ):
        ours = name.startswith("SHADOWDIFF_") and not name.startswith("SHADOWDIFF_TEST_")
        if ours or name.startswith("PYTEST_XDIST_"):  # runs of tests are runs of their own, no workers of this one
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder with what others wrote and we only read: the founding document, JSONTestSuite, naughty strings."""
    place = os.environ.get("SHADOWDIFF_TEST_DATA")
    if not place:
        pytest.skip("no folder of test data: name it in SHADOWDIFF_TEST_DATA")
    return Path(place)


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Kubeconfig of a cluster made for tests; only for tests marked `cluster`."""
    return Path(os.environ["SHADOWDIFF_TEST_KUBECONFIG"])


@pytest.fixture
def midway(pytester: pytest.Pytester, tmp_path: Path) -> Iterator[Midway]:
    """Starts runs of pytest that wait in their second test."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes by /proc, which this system lacks")
    made = Midway(pytester.path, tmp_path)
    yield made
    made.close()
