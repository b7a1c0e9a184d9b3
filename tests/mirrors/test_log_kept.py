"""The log of an Envoy that failed is kept whole, redacted, where the reports are."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FAILS = """#!/bin/sh
if [ "$1" = "--version" ]; then echo "envoy  version: 0/1.40.0/Clean/RELEASE"; exit 0; fi
for line in $(seq 1 500); do echo "line $line"; done
echo 'refused: {"authorization": "Bearer canary-4711"}'
exit 1
"""


def test_an_envoy_that_does_not_start(pytester: pytest.Pytester) -> None:
    program = pytester.path / "envoy"
    program.write_text(FAILS)
    program.chmod(0o755)
    command = json.dumps([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"])
    targets = "".join(f"[tool.shadowdiff.targets.{name}]\ncommand = {command}\n" for name in ("v1", "v2"))
    (pytester.path / "pyproject.toml").write_text(f'[tool.shadowdiff]\nmirror = "envoy"\nenvoy = "envoy"\n{targets}')
    pytester.makepyfile("def test_it(shadow): shadow.get('/')")
    done = pytester.runpytest_subprocess("--shadow-target=v2")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*did not start. Envoy ended with exit status 1*", "*Its whole log is in shadowdiff-envoy.log.*"])
    kept = (pytester.path / "shadowdiff-envoy.log").read_text()
    assert "line 1\n" in kept
    assert "refused" in kept
    assert "canary-4711" not in kept + done.stdout.str()
