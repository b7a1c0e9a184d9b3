"""What a pair's verdict makes of the test, and of the run."""

from __future__ import annotations

import itertools
import socket
from typing import Any

import pytest


def _break_off(handler: Any) -> Any:
    handler.connection.shutdown(socket.SHUT_RDWR)
    return 200, {}, b""


GET_X = """
def test_x(shadow):
    assert shadow.get("/x").json()["n"] == 1
"""


def test_same(project: Any) -> None:
    project.v1.json("/x", {"n": 1, "s": "a"})
    project.v2.json("/x", {"s": "a", "n": 1.0})
    project.tests(GET_X)
    report = project.report()
    project.result.assert_outcomes(passed=1)
    assert project.result.ret == 0
    assert report["summary"] == dict.fromkeys(report["summary"], 0) | {"pairs": 1, "same": 1}
    assert [one[1] for one in project.v2.seen] == ["/x"]


def test_a_difference_fails_the_test_in_its_call_phase(project: Any) -> None:
    project.v1.json("/x", {"n": 1, "total": 1})
    project.v2.json("/x", {"n": 1, "total": "1"})
    project.tests(GET_X)
    report = project.report()
    project.result.assert_outcomes(failed=1)
    assert project.result.ret == 1
    (pair,) = report["pairs"]
    assert (pair["verdict"], pair["test"], pair["endpoint"]) == ("different", "test_it.py::test_x", "GET /x")
    assert pair["differences"] == [{"path": "$.total", "kind": "type_changed", "primary": 1, "candidate": "1"}]
    project.result.stdout.fnmatch_lines(["*$.total*"])
    project.result.stdout.no_fnmatch_line("*pytest_shadowdiff/*.py:*")


def test_noise_is_what_the_primary_does_by_itself(project: Any) -> None:
    for service, start in ((project.v1, 0), (project.v2, 1000)):
        numbers = itertools.count(start)
        service.route(
            "/x",
            lambda _, numbers=numbers: (200, {"content-type": "application/json"}, b'{"n":1,"id":%d}' % (next(numbers) * 7919 % 99991)),
        )
    project.tests(GET_X)
    report = project.report()
    project.result.assert_outcomes(passed=1)
    (pair,) = report["pairs"]
    assert pair["verdict"] == "noise"
    assert "$.id" in pair["reason"]
    assert pair["control"]["status"] == 200


def test_an_incomplete_pair_is_an_error_at_teardown(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.url = "http://127.0.0.1:9"
    project.tests(GET_X)
    report = project.report()
    project.result.assert_outcomes(passed=1, errors=1)
    assert project.result.ret == 1
    assert report["pairs"][0]["verdict"] == "incomplete"
    assert "refused" in report["pairs"][0]["reason"]
    project.result.stdout.fnmatch_lines(["*ERROR at teardown of test_x*"])


def test_a_difference_beats_an_incomplete_pair(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.v1.json("/y", {})
    project.v2.route("/y", _break_off)
    project.tests("def test_x(shadow):\n    shadow.get('/x')\n    shadow.get('/y')\n")
    report = project.report()
    project.result.assert_outcomes(failed=1)
    assert (report["summary"]["different"], report["summary"]["incomplete"]) == (1, 1)


def test_a_failure_of_its_own_stays_what_it_is(project: Any) -> None:
    project.v1.json("/x", {"n": 2})
    project.v2.json("/x", {"n": 3})
    project.tests(GET_X)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert 2 == 1", "*shadowdiff*"])


def test_an_expected_failure(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.tests("import pytest\n@pytest.mark.xfail(strict=True)" + GET_X)
    result = project.run()
    result.assert_outcomes(xfailed=1)
    assert result.ret == 0


def test_no_pair_at_all_fails_the_run(project: Any) -> None:
    project.tests("def test_x(shadow):\n    pass\n")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*nothing is known of the candidate*"])


def test_tests_that_do_not_ask_for_the_mirror_are_left_alone(project: Any) -> None:
    project.tests("def test_x():\n    pass\n")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 0


def test_all_skipped_is_no_pair_at_all(project: Any) -> None:
    project.tests("def test_x(shadow):\n    assert shadow.post('/x').status_code == 404\n")
    report = project.report()
    project.result.assert_outcomes(passed=1)
    assert project.result.ret == 1
    assert (report["summary"]["pairs"], report["summary"]["skipped"]) == (0, 1)
    assert project.v2.seen == []


@pytest.mark.parametrize("option, marker, copied", [(True, True, 1), (True, False, 0), (False, True, 0)])
def test_a_write_takes_option_and_marker(project: Any, *, option: bool, marker: bool, copied: int) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 1})
    mark = "@pytest.mark.shadow(allow_unsafe=True)\n" if marker else ""
    project.tests(f"import pytest\n{mark}def test_x(shadow):\n    shadow.post('/x', json={{'a': 1}})\n    shadow.get('/x')\n")
    report = project.report(*["--shadow-allow-unsafe"] * option)
    project.result.assert_outcomes(passed=1)
    assert [one[0] for one in project.v2.seen] == ["POST"] * copied + ["GET"]
    assert report["summary"]["same"] == 1 + copied
    assert [one[0] for one in project.v1.seen].count("POST") == 1


def test_requests_of_the_set_up_belong_to_the_test(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.tests("import pytest\n@pytest.fixture\ndef ready(shadow):\n    shadow.get('/x')\ndef test_x(ready):\n    pass\n")
    project.run().assert_outcomes(failed=1)


def test_requests_of_the_teardown_are_judged_at_its_end(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 2})
    project.tests("import pytest\n@pytest.fixture\ndef ready(shadow):\n    yield\n    shadow.get('/x')\ndef test_x(ready):\n    pass\n")
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)


def test_check_judges_at_once(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 1})
    project.v1.json("/y", {"n": 1})
    project.v2.json("/y", {"n": 2})
    project.tests("""
import pytest
from pytest_shadowdiff import ShadowDifference

def test_x(shadow):
    assert len(shadow.pairs) == 0
    shadow.get("/x")
    (pair,) = shadow.check()
    assert (pair.verdict, pair.endpoint) == ("same", "GET /x")
    shadow.get("/y")
    with pytest.raises(ShadowDifference, match="n"):
        shadow.check()
    assert [pair.verdict for pair in shadow.pairs] == ["same", "different"]
    print("REACHED")
""")
    result = project.run("-s")
    result.stdout.fnmatch_lines(["*REACHED*"])
    result.assert_outcomes(failed=1)  # a difference fails the test, whatever the test made of the exception
    assert result.ret == 1


def test_without_a_target_the_primary_alone_is_asked(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.tests("""
def test_x(shadow, shadow_url):
    assert shadow.get("/x").json() == {"n": 1}
    assert shadow.check() == [] or len(shadow.check()) == 0
""")
    result = project.pytester.runpytest_subprocess(f"--shadow-primary={project.v1.url}")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*shadowdiff*candidate*")


@pytest.mark.parametrize("percent, fewest, most", [("0", 0, 0), ("30", 25, 95), ("100", 200, 200)])
def test_a_share_of_the_requests(project: Any, percent: str, fewest: int, most: int) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 1})
    project.tests("def test_x(shadow):\n    for _ in range(200):\n        shadow.get('/x')\n")
    report = project.report(f"--shadow-percent={percent}")
    summary = report["summary"]
    assert fewest <= summary["pairs"] == summary["same"] == len(project.v2.seen) <= most  # 30 %: five standard deviations either way
    assert summary["skipped"] == 200 - summary["pairs"]
    assert project.result.ret == (0 if summary["pairs"] else 1)


def test_a_thousand_requests_at_once_and_one_wrong_answer(project: Any) -> None:
    def numbered(handler: Any) -> Any:
        return 200, {"content-type": "text/plain"}, handler.path.encode()

    def wrong_once(handler: Any) -> Any:
        return 200, {"content-type": "text/plain"}, b"/x?765 and more" if handler.path == "/x?765" else handler.path.encode()

    project.v1.route("/x", numbered)
    project.v2.route("/x", wrong_once)
    project.tests("""
from concurrent.futures import ThreadPoolExecutor

def test_x(shadow):
    with ThreadPoolExecutor(50) as pool:
        for number, response in enumerate(pool.map(lambda number: shadow.get(f"/x?{number}"), range(1000))):
            assert response.text == f"/x?{number}"
""")
    report = project.report()
    project.result.assert_outcomes(failed=1)
    assert (report["summary"]["pairs"], report["summary"]["same"], report["summary"]["different"]) == (1000, 999, 1)
    assert [pair["request"]["url"] for pair in report["pairs"] if pair["verdict"] == "different"] == ["/x?765"]
    project.result.stdout.fnmatch_lines(["*GET /x[?]765*"])


def test_a_version_may_know_itself_by_its_own_address(project: Any) -> None:
    """A service that makes absolute URLs of the address that it listens on, and not of the Host that it was given."""
    for service in (project.v1, project.v2):
        body = f'{{"next": "{service.url}/orders?page=2", "n": 1}}'.encode()
        headers = {
            "content-type": "application/json",
            "location": f"{service.url}/orders",
            "link": f'<{service.url}/orders?page=2>; rel="next"',
        }
        service.route("/x", lambda _, headers=headers, body=body: (201, headers, body))
    project.tests(GET_X)
    report = project.report()
    project.result.assert_outcomes(passed=1)
    assert [pair["verdict"] for pair in report["pairs"]] == ["same"]


def test_a_different_location_is_a_difference(project: Any) -> None:
    project.v1.route("/x", lambda _: (302, {"location": f"{project.v1.url}/a"}, b""))
    project.v2.route("/x", lambda _: (302, {"location": f"{project.v2.url}/b"}, b""))
    project.tests("def test_x(shadow):\n    shadow.get('/x')\n")
    report = project.report()
    project.result.assert_outcomes(failed=1)
    assert [difference["path"] for difference in report["pairs"][0]["differences"]] == ["header:location"]
