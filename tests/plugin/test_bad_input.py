"""Options, configuration and markers that are wrong: one clear error, exit status 4, before any test runs."""

from __future__ import annotations

import pytest

MARK = "import pytest\n@pytest.mark.shadow({})\ndef test_x(shadow):\n    pass\n"


def refused(pytester: pytest.Pytester, *options: str) -> str:
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "test_x" not in result.stdout.str() or "ERROR" in text
    return text


@pytest.mark.parametrize(
    "options, words",
    [
        (["--shadow-target=v2"], ["--shadow-target", "'v2'", "Known targets: none"]),
        (["--shadow-primary=v1"], ["--shadow-primary", "'v1'"]),
        (["--shadow-primary=http://127.0.0.1:1", "--shadow-target=v9"], ["--shadow-target", "'v9'"]),
        (
            ["--shadow-primary=http://127.0.0.1:1", "--shadow-target=http://127.0.0.1:2", "--shadow-mirror=lokal"],
            ["--shadow-mirror", 'Did you mean "local"?'],
        ),
        (["--shadow-config=absent.toml"], ["absent.toml", "no such file"]),
        (["--shadow-nonsense=1"], ["--shadow-nonsense"]),
    ],
)
def test_options(pytester: pytest.Pytester, options: list[str], words: list[str]) -> None:
    pytester.makepyfile(test_it=MARK.format(""))
    text = refused(pytester, *options)
    for word in words:
        assert word in text


def test_a_slip_of_the_pen_in_the_environment(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWDIFF_TARGT", "v2")
    assert "SHADOWDIFF_TARGT: there is no such variable" in (text := refused(pytester))
    assert 'Did you mean "SHADOWDIFF_TARGET"?' in text


def test_configuration_is_checked_although_the_plugin_is_off(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.shadowdiff]\nprimry = 'v1'\n")
    assert 'Did you mean "primary"?' in refused(pytester)


def test_configuration_is_read_at_the_rootdir_also_where_pytest_has_another_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\n")
    pytester.makepyprojecttoml("[tool.shadowdiff]\nprimry = 'v1'\n")
    assert "primry" in refused(pytester)


@pytest.mark.parametrize(
    "argument, words",
    [
        ("ignor=['$.x']", ["ignor", 'Did you mean "ignore"?']),
        ("'x'", ["keyword arguments"]),
        ("allow_unsafe='yes'", ["allow_unsafe", "'yes'"]),
        ("ignore=['$.[']", ["ignore", "$.["]),
        ("tolerance=[{'path': '$.x', 'absolut': 1}]", ["absolut"]),
    ],
)
def test_markers(pytester: pytest.Pytester, argument: str, words: list[str]) -> None:
    pytester.makepyfile(test_it=MARK.format(argument))
    text = refused(pytester, "--shadow-primary=http://127.0.0.1:1", "--shadow-target=http://127.0.0.1:2")
    for word in ["test_it.py::test_x", *words]:
        assert word in text


def test_strict_markers_know_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="import pytest\n@pytest.mark.shadow(ignore=['$.x'])\ndef test_x():\n    pass\n")
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)
