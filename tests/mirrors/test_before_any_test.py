"""What a mirror needs and this machine lacks is a usage error before any test, with what to do."""

from __future__ import annotations

import pytest

CONFIGURATION = """
[tool.shadowdiff]
mirror = "{mirror}"
envoy = "{envoy}"
[tool.shadowdiff.targets.v1]
url = "http://127.0.0.1:9"
[tool.shadowdiff.targets.v2]
{v2}
"""
URL = 'url = "http://127.0.0.1:9"'
IMAGE = 'image = "shop:2"\nport = 8000'


def ended(pytester: pytest.Pytester, mirror: str, v2: str = URL, *options: str, envoy: str = "an-envoy") -> str:
    program = pytester.path / "an-envoy"
    program.write_text("#!/bin/sh\necho 'envoy  version: 9e55/1.30.1/Clean/RELEASE/BoringSSL'\n")
    program.chmod(0o755)
    (pytester.path / "pyproject.toml").write_text(CONFIGURATION.format(mirror=mirror, envoy=envoy, v2=v2))
    pytester.makepyfile("def test_it(shadow): raise AssertionError('it ran')")
    result = pytester.runpytest_subprocess("--shadow-target=v2", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "it ran" not in text
    assert "Traceback" not in text
    return " ".join(text.split())


def test_an_envoy_that_is_too_old(pytester: pytest.Pytester) -> None:
    assert "is Envoy 1.30.1; the mirror needs 1.36 or newer. Install one with" in ended(pytester, "envoy")


def test_an_envoy_that_is_not_there(pytester: pytest.Pytester) -> None:
    assert "cannot be run as Envoy" in ended(pytester, "envoy", envoy="nowhere/envoy")


@pytest.mark.parametrize(
    "mirror, v2, said", [("docker", URL, "The mirror docker: No Docker"), ("local", IMAGE, "Target v2 is an image: No Docker")]
)
def test_an_engine_that_does_not_answer(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mirror: str, v2: str, said: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    words = ended(pytester, mirror, v2)
    assert f"{said} engine answers at unix:///nowhere/docker.sock" in words


def test_an_image_without_its_port(pytester: pytest.Pytester) -> None:
    assert "say on which port shop:2 listens, as targets.v2.port" in ended(pytester, "local", 'image = "shop:2"')


def test_a_tap_that_the_mirror_cannot_offer(pytester: pytest.Pytester) -> None:
    assert "the mirror envoy cannot offer the tap 'proxy'. It can offer: envoy" in ended(pytester, "envoy", URL, "--shadow-tap=proxy")
