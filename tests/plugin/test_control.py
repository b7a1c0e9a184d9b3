"""The control: the primary asked again, a third target, or nobody."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

TESTS = "def test_x(shadow):\n    shadow.get('/x')\n"


def answer(service: Any, values: Any) -> None:
    numbers = iter(values)
    service.route("/x", lambda _: (200, {"content-type": "application/json"}, b'{"id": %d}' % next(numbers)))


def test_the_primary_is_asked_again_only_where_the_answers_differ(project: Any) -> None:
    project.v1.json("/x", {"n": 1})
    project.v2.json("/x", {"n": 1})
    project.tests(TESTS)
    project.run().assert_outcomes(passed=1)
    assert (len(project.v1.seen), len(project.v2.seen)) == (1, 1)


def test_none_asks_nobody(project: Any) -> None:
    answer(project.v1, itertools.repeat(1))
    answer(project.v2, itertools.repeat(2))
    project.tests(TESTS)
    report = project.report("--shadow-control=none")
    project.result.assert_outcomes(failed=1)
    assert report["pairs"][0]["control"] is None
    assert (len(project.v1.seen), len(project.v2.seen)) == (1, 1)


def test_a_third_target_gets_each_safe_request(project: Any, serve: Callable[[], Any]) -> None:
    third = serve()
    for service, value in ((project.v1, 1), (project.v2, 1), (third, 1)):
        answer(service, itertools.repeat(value))
    project.tests(
        "import pytest\n@pytest.mark.shadow(allow_unsafe=True)\ndef test_x(shadow):\n    shadow.get('/x')\n    shadow.post('/x')\n"
    )
    report = project.report(f"--shadow-control={third.url}", "--shadow-allow-unsafe")
    project.result.assert_outcomes(passed=1)
    assert [one[0] for one in third.seen] == ["GET"]
    assert [pair["control"] and pair["control"]["status"] for pair in report["pairs"]] == [200, None]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_write_is_asked_once(project: Any, method: str) -> None:
    answer(project.v1, itertools.repeat(1))
    answer(project.v2, itertools.repeat(2))
    project.tests(f"import pytest\n@pytest.mark.shadow(allow_unsafe=True)\ndef test_x(shadow):\n    shadow.{method}('/x')\n")
    report = project.report("--shadow-allow-unsafe")
    project.result.assert_outcomes(failed=1)
    assert report["pairs"][0]["control"] is None
    assert (len(project.v1.seen), len(project.v2.seen)) == (1, 1)


def test_after_a_write_nobody_is_asked_again(project: Any) -> None:
    """What the primary answers then may differ for that reason alone, and would pass a real difference off as noise."""
    stock = {"v1": 1, "v2": 2}

    def read(name: str) -> Any:
        return lambda _: (200, {"content-type": "application/json"}, b'{"stock": %d}' % stock[name])

    def write(name: str) -> Any:
        def sell(_: Any) -> Any:
            stock[name] += 1
            return 204, {}, b""

        return sell

    for service, name in ((project.v1, "v1"), (project.v2, "v2")):
        service.route("/x", read(name))
        service.route("/sell", write(name))
    project.tests(
        "import pytest\n@pytest.mark.shadow(allow_unsafe=True)\ndef test_x(shadow):\n    shadow.get('/x')\n    shadow.post('/sell')\n"
    )
    report = project.report("--shadow-allow-unsafe")
    project.result.assert_outcomes(failed=1)
    assert report["pairs"][0]["differences"][0]["path"] == "$.stock"
