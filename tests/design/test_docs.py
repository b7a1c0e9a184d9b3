"""What the documentation says, holds: its code runs, its configuration loads, its links lead somewhere, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_shadowdiff import acceptances
from pytest_shadowdiff.mirror import MIRRORS
from pytest_shadowdiff.report import FORMATS
from pytest_shadowdiff.rules import rule_from
from pytest_shadowdiff.settings import configuration
from pytest_shadowdiff.tap import TAPS

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("**/*.md"))
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *DOCS, *sorted(ROOT.glob("examples/*/README.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"--shadow-[a-z-]+")

ANSWER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"customer": "Ada"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

import sys
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def blocks(language: str) -> list[tuple[str, str]]:
    """Page and text of each block in a language."""
    found = [(page, match) for page in PAGES for match in FENCE.findall(page.read_text(encoding="utf-8"))]
    return [(str(page.relative_to(ROOT)), text) for page, (tongue, text) in found if tongue == language]


def named(found: list[tuple[str, str]]) -> list[object]:
    return [pytest.param(text, id=f"{page}-{number}") for number, (page, text) in enumerate(found)]


@pytest.mark.once
@pytest.mark.parametrize("code", named(blocks("python")))
def test_python_runs_as_it_stands(code: str, pytester: pytest.Pytester) -> None:
    pytester.makefile(".py", answer=ANSWER)
    command = 'command = ["python", "answer.py", "{port}"]'
    pytester.makepyprojecttoml(f"[tool.shadowdiff.targets]\nv1 = {{ {command} }}\nv2 = {{ {command} }}\n")
    where = "conftest" if "def pytest_" in code else "test_code"
    pytester.makefile(".py", **{where: code})
    if where == "conftest":
        pytester.makepyfile(test_more="def test_it(shadow):\n    shadow.get('/')\n")
    elif "def test_" not in code:
        pytester.makepyfile(test_more="def test_it():\n    import test_code\n")
    options = ["--shadow-target=v2", "--shadow-allow-unsafe", "-p", "no:cacheprovider", "-W", "ignore", "-o", "asyncio_mode=auto"]
    done = pytester.runpytest_subprocess(*options)
    assert done.ret == 0, done.stdout.str()


@pytest.mark.parametrize("text", named(blocks("toml")))
def test_configuration_loads_as_it_stands(text: str, tmp_path: Path) -> None:
    for name in re.findall(r'"([\w.-]+\.(?:pem|key|pcap|log))"', text):
        (tmp_path / name).touch()
    file = tmp_path / "pyproject.toml"
    file.write_text(text, encoding="utf-8")
    if "[[accepted]]" in text:
        file.rename(tmp_path / acceptances.FILE_NAME)
        assert acceptances.load(tmp_path / acceptances.FILE_NAME)
    else:
        configuration.load(None, tmp_path, rule_from)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        place, _, _ = link.partition("#")
        if not link.startswith(("http://", "https://", "#")):
            assert (page.parent / place).exists(), link


def test_every_page_is_found_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [
        str(page.relative_to(ROOT)) for page in DOCS if page.name != "index.md" and f"({page.relative_to(ROOT / 'docs')})" not in index
    ] == []


def test_options_that_are_written_of_exist_and_those_that_exist_are_written_of(pytester: pytest.Pytester) -> None:
    offered = set(OPTION.findall(pytester.runpytest_subprocess("--help").stdout.str()))
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert offered <= set(OPTION.findall(written))
    assert {option for page in PAGES for option in OPTION.findall(page.read_text(encoding="utf-8"))} <= offered


def test_every_key_is_written_of() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    keys = {
        *configuration.TABLES,
        *configuration.OPTIONS,
        *configuration.TARGET_KEYS,
        *configuration.SERVICE_KEYS,
        *configuration.LIMIT_KEYS,
    }
    assert [key for key in sorted(keys) if f"`{key}`" not in written] == []


@pytest.mark.parametrize("registry", [MIRRORS, TAPS, FORMATS], ids=["mirrors", "taps", "formats"])
def test_every_backend_is_written_of(registry: dict[str, object]) -> None:
    written = "\n".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *DOCS])
    assert [name for name in registry if f"`{name}`" not in written] == []


def test_what_is_new_is_written_for_users() -> None:
    fragments = [file for file in (ROOT / "changelog.d").iterdir() if file.name != "template.md"]
    for file in fragments:
        assert re.fullmatch(r"[\w.+-]+\.(feature|bugfix|removal|doc)\.md", file.name), file.name
        text = file.read_text(encoding="utf-8").strip()
        assert text.endswith("."), f"{file.name}: a sentence"
