"""The plugin beside everything else that lives in a pytest run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree as ET

import pytest


@pytest.fixture
def equal(project: Any) -> Any:
    for service in (project.v1, project.v2):
        for path in ("/x", "/y"):
            service.json(path, {"n": 1})
    return project


def test_pytest_asyncio(equal: Any) -> None:
    equal.tests("""
import pytest

@pytest.mark.asyncio
async def test_x(async_shadow):
    assert (await async_shadow.get("/x")).json() == {"n": 1}
    assert [pair.verdict for pair in await async_shadow.check()] == ["same"]
""")
    report = equal.report("-p", "no:anyio")
    equal.result.assert_outcomes(passed=1)
    assert report["summary"]["same"] == 1


def test_anyio(equal: Any) -> None:
    equal.tests("""
import pytest

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
async def test_x(async_shadow):
    assert (await async_shadow.get("/x")).json() == {"n": 1}
    assert [pair.verdict for pair in await async_shadow.check()] == ["same"]
""")
    report = equal.report()
    equal.result.assert_outcomes(passed=2)
    assert report["summary"]["same"] == 2


def test_unittest_by_an_autouse_fixture(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.tests("""
import unittest
import pytest

class TestX(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _client(self, shadow):
        self.shadow = shadow

    def test_x(self):
        assert self.shadow.get("/x").status_code == 200

    def test_own(self):
        self.shadow.get("/x")
        self.assertEqual(1, 2)

    def test_other(self):
        pass
""")
    result = project.run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*AssertionError: 1 != 2*"])


@pytest.mark.parametrize("processes", [0, 4])
def test_xdist_gives_the_report_that_one_process_gives(project: Any, processes: int) -> None:
    for service in (project.v1, project.v2):
        for number in range(12):
            service.json(f"/items/{number}", {"n": number})
    project.v2.json("/items/7", {"n": "seven"})
    project.tests("""
import pytest

@pytest.mark.parametrize("number", range(12))
def test_x(shadow, number):
    assert shadow.get(f"/items/{number}").status_code == 200
    shadow.post("/items")
""")
    report = project.report("-n", str(processes))
    project.result.assert_outcomes(passed=11, failed=1)
    assert report["summary"] == dict.fromkeys(report["summary"], 0) | {"pairs": 12, "same": 11, "different": 1, "skipped": 12}
    assert [pair["test"] for pair in report["pairs"][::2]] == [f"test_it.py::test_x[{number}]" for number in range(12)]
    assert len({pair["id"] for pair in report["pairs"]}) == 24
    text = project.result.stdout.str()
    assert text.count("= shadowdiff =") == 1
    (endpoint,) = [one for one in report["endpoints"] if one["endpoint"].startswith("GET")]
    assert (endpoint["pairs"], endpoint["different"]) == (12, 1)


def test_junit_properties(equal: Any) -> None:
    equal.tests("def test_x(shadow):\n    shadow.get('/x')\n    shadow.get('/y')\n")
    equal.run("--junit-xml=junit.xml")
    (case,) = ET.parse(equal.pytester.path / "junit.xml").iter("testcase")  # noqa: S314 - pytest wrote it
    assert {one.get("name"): one.get("value") for one in case.iter("property")} == {"shadowdiff.same": "2"}


def test_last_failed_and_exit_first(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.tests("def test_a(shadow):\n    shadow.get('/x')\ndef test_b(shadow):\n    shadow.get('/x')\n")
    versions = (f"--shadow-primary={project.v1.url}", f"--shadow-target={project.v2.url}")
    project.pytester.runpytest_subprocess(*versions, "-x").assert_outcomes(failed=1)
    project.pytester.runpytest_subprocess(*versions, "--lf").assert_outcomes(failed=1, deselected=0)


def test_it_can_be_left_out(equal: Any) -> None:
    equal.tests("def test_x(shadow):\n    pass\n")
    result = equal.pytester.runpytest_subprocess("-p", "no:shadowdiff")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'shadow' not found*"])


def test_help_markers_and_fixtures_name_it(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest_subprocess("--help").stdout.str()
    for option in (
        "--shadow-target=TARGET",
        "--shadow-primary=TARGET",
        "--shadow-report=FORMAT[:PATH]",
        "--shadow-allow-unsafe",
        "--shadow-timeout=SECONDS",
    ):
        assert option in text
    assert "@pytest.mark.shadow(ignore=[]" in pytester.runpytest_subprocess("--markers").stdout.str()
    text = pytester.runpytest_subprocess("--fixtures").stdout.str()
    for fixture in ("shadow ", "async_shadow ", "shadow_url "):
        assert f"\n{fixture}" in text


def test_fixtures_can_be_overridden(equal: Any) -> None:
    equal.pytester.makeconftest("""
import pytest

@pytest.fixture
def shadow(shadow):
    shadow.headers["x-team"] = "blue"
    return shadow
""")
    equal.tests("def test_x(shadow):\n    shadow.get('/x')\n")
    equal.run().assert_outcomes(passed=1)
    for service in (equal.v1, equal.v2):
        assert {name.lower(): value for name, value in service.seen[0][2].items()}["x-team"] == "blue"


def test_hooks_of_users(project: Any) -> None:
    project.v1.json("/x", {"n": 1, "build": "a"})
    project.v2.json("/x", {"n": 1, "build": "b"})
    project.pytester.makeconftest("""
from dataclasses import replace

def pytest_shadowdiff_endpoint(request):
    return "GET everything"

def pytest_shadowdiff_normalize(request, response):
    return replace(response, body=response.body.replace(b'"b"', b'"a"'))

def pytest_shadowdiff_judged(pair):
    print("JUDGED", pair.endpoint, pair.verdict)
""")
    project.tests("def test_x(shadow):\n    shadow.get('/x')\n")
    report = project.report("-s")
    project.result.assert_outcomes(passed=1)
    assert report["pairs"][0]["endpoint"] == "GET everything"
    project.result.stdout.fnmatch_lines(["*JUDGED GET everything same*"])


def test_a_hook_that_fails_is_no_verdict(equal: Any) -> None:
    equal.pytester.makeconftest("def pytest_shadowdiff_normalize(request, response):\n    raise KeyError('gone')\n")
    equal.tests("def test_x(shadow):\n    shadow.get('/x')\n")
    report = equal.report()
    equal.result.assert_outcomes(passed=1, errors=1)
    assert "KeyError" in report["pairs"][0]["reason"]


@pytest.mark.parametrize("hook", ["endpoint(request)", "judged(pair)", "redact(name, value)"])
def test_a_hook_that_fails_fails_the_run_and_no_test(equal: Any, hook: str) -> None:
    equal.pytester.makeconftest(f"def pytest_shadowdiff_{hook}:\n    raise KeyError('gone')\n")
    equal.tests(
        "def test_x(shadow):\n    shadow.get('/x', headers={'authorization': 'Bearer canary'})\ndef test_y(shadow):\n    shadow.get('/y')\n"
    )
    report = equal.report()
    equal.result.assert_outcomes(passed=2)
    assert equal.result.ret == 1
    equal.result.stdout.fnmatch_lines([f"*The hook pytest_shadowdiff_{hook.partition('(')[0]} failed with KeyError: 'gone'*"])
    assert report["summary"]["same"] == 2
    assert "canary" not in str(report)


def test_proxies_of_the_environment_never_apply_to_loopback(equal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    equal.tests("def test_x(shadow):\n    assert shadow.get('/x').status_code == 200\n")
    equal.run().assert_outcomes(passed=1)


def test_any_client_at_all(equal: Any) -> None:
    equal.tests("""
from urllib.request import build_opener, ProxyHandler

def test_x(shadow_url):
    assert build_opener(ProxyHandler({})).open(shadow_url + "/x").status == 200
""")
    report = equal.report()
    equal.result.assert_outcomes(passed=1)
    assert report["summary"]["same"] == 1


def test_the_same_test_twice_keeps_its_requests_apart(equal: Any) -> None:
    equal.tests("""
import pytest
from _pytest.runner import runtestprotocol

def test_x(shadow):
    shadow.get("/x")
    assert len(shadow.check()) == 1
""")
    equal.pytester.makeconftest("""
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        runtestprotocol(item, nextitem=nextitem)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
""")
    report = equal.report()
    equal.result.assert_outcomes(passed=2)
    assert [pair["test"] for pair in report["pairs"]] == ["test_it.py::test_x"] * 2


def test_a_broken_primary_is_one_clear_error_for_all_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(f"""
[tool.shadowdiff.targets.v1]
command = [{json.dumps(sys.executable)}, "-c", "import sys; sys.exit('no database at {{port}}')"]
[tool.shadowdiff.targets.v2]
url = "http://127.0.0.1:9"
""")
    pytester.makepyfile(test_it="def test_a(shadow):\n    pass\ndef test_b(shadow):\n    pass\n")
    result = pytester.runpytest_subprocess("--shadow-target=v2")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*v1*", "*no database at*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_module_needs_no_pytest_to_compare() -> None:
    code = (
        "import sys, pytest_shadowdiff as s; s.compare(s.Response(200, (), b''), s.Response(200, (), b'')); print('pytest' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
