"""Secrets in every slot of request and response, in a real run: none of them in anything that the run puts out."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from pytest_shadowdiff.report import FORMATS

SLOTS = (
    "bearer", "basic", "proxy", "cookie", "apikey", "amz", "target", "query", "nested", "next", "referer", "form", "part", "deep", "within",
    "setcookie", "location", "body", "html", "zipped", "plain", "hooked",
)  # fmt: skip
CANARIES = {slot: f"cnry{number:02}{slot}Zq9" for number, slot in enumerate(SLOTS)}
SIGNED = base64.urlsafe_b64encode(b'{"sub": "cnry-signed"}').decode().rstrip("=")
JWT = f"eyJhbGciOiJIUzI1NiJ9.{SIGNED}.c2lnbmF0dXJlc2lnbmF0dXJl"

TESTS = """
import json, os
import pytest

C = json.loads(os.environ["CANARIES"])
HEADERS = {
    "authorization": "Bearer " + C["bearer"], "proxy-authorization": "Basic " + C["proxy"], "cookie": "theme=" + C["cookie"],
    "x-api-key": C["apikey"], "x-amz-security-token": C["amz"], "referer": "https://me:" + C["referer"] + "@host.example/?a=1",
    "x-note": C["jwt"],
}
PARAMS = {"token": C["query"], "filter": json.dumps({"password": C["nested"]}), "next": "https://me:" + C["next"] + "@host.example/"}

@pytest.mark.parametrize("path", ["/json", "/html", "/zipped", "/text", "/hang", "/moved"])
def test_get(shadow, path):
    shadow.get(path, headers=HEADERS, params=PARAMS, follow_redirects=False)

def test_basic(shadow):
    shadow.get("/json", auth=("me", C["basic"]))
    shadow.get("/users/me/" + C["basic"], auth=("me", C["basic"]))

@pytest.mark.shadow(allow_unsafe=True)
@pytest.mark.parametrize("how", [
    {"data": {"user": "me", "password": C["form"]}},
    {"files": {"upload": ("a.txt", b"x")}, "data": {"secret": C["part"]}},
    {"json": {"user": {"credentials": [{"any": C["deep"]}]}, "log": json.dumps({"api_key": C["within"]}), "ssn": C["hooked"]}},
], ids=["form", "multipart", "json"])
def test_post(shadow, how):
    shadow.post("/json", headers=HEADERS, **how)

def test_not_permitted(shadow):
    shadow.put("/json", headers=HEADERS, params=PARAMS)
"""
CONFTEST = """
def pytest_shadowdiff_redact(name, value):
    return "(a number)" if name == "ssn" else None
"""


class Echo(BaseHTTPRequestHandler):
    """Gives back what it is told, under names that say nothing, and secrets of its own; both versions disagree."""

    protocol_version = "HTTP/1.1"
    version = "1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("latin-1")
        echo = {"path": self.path, "lines": [f"{name} {value}" for name, value in self.headers.items()], "sent": sent}
        own = {
            "access_token": CANARIES["body"] + self.version,
            "version": self.version,
            "seen": f"I know {CANARIES['body'] + self.version}",
        }
        kind, body = "application/json", json.dumps({**echo, **own}).encode()
        headers = {"set-cookie": f"sid={CANARIES['setcookie']}{self.version}; Path=/", "x-auth-token": CANARIES["plain"] + self.version}
        status, path = 200, self.path.partition("?")[0]
        if path == "/html":
            kind = "text/html"
            body = f'<p>{self.version} {JWT}</p><input name="csrf_token" value="{CANARIES["html"]}{self.version}"> {echo}'.encode()
        elif path == "/zipped":
            document = {"version": self.version, "password": CANARIES["zipped"] + self.version}
            headers["content-encoding"], body = "gzip", gzip.compress(json.dumps(document).encode())
        elif path == "/text":
            kind, body = "text/plain", f"{self.version} password={CANARIES['plain']}{self.version}\n{echo}".encode()
        elif path == "/moved":
            status = 302
            headers["location"] = (
                f"https://me:{CANARIES['location']}{self.version}@host.example/?access_token={CANARIES['location']}{self.version}"
            )
        elif path == "/hang" and self.version == "2":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**headers, "content-type": kind, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - names of the standard library's


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.Pytester]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), type("V", (Echo,), {"version": version})) for version in "12"]
    tables = []
    for number, server in enumerate(servers, 1):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        tables.append(f'[tool.shadowdiff.targets.v{number}]\nurl = "{url}"\nheaders = {{"x-mark" = "{CANARIES["target"]}"}}\n')
    monkeypatch.setenv("CANARIES", json.dumps({**CANARIES, "jwt": JWT}))
    pytester.makepyprojecttoml("\n".join(tables))
    pytester.makepyfile(test_it=TESTS, conftest=CONFTEST)
    yield pytester
    for server in servers:
        server.shutdown()
        server.server_close()


def _spellings() -> set[str]:
    """The canaries as they are, percent-encoded, and as Basic credentials."""
    basic = base64.b64encode(f"me:{CANARIES['basic']}".encode()).decode()
    return {basic, SIGNED, *CANARIES.values(), *(quote(each) for each in CANARIES.values())}


def _put_out(folder: Path, result: pytest.RunResult) -> dict[str, str]:
    given = {"pyproject.toml", "test_it.py", "conftest.py"}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in given and path.suffix != ".pyc"]
    texts = {path.name: path.read_bytes().decode("latin-1") for path in files}
    return {**texts, "stdout": result.stdout.str(), "stderr": result.stderr.str()}


@pytest.mark.parametrize("options", [["-q", "-n", "2"], ["-vv", "-rA", "--junitxml=junit.xml", "-o", "junit_family=xunit2"]], ids=str)
def test_no_canary_leaves(project: pytest.Pytester, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "step-summary.md"))
    reports = [f"--shadow-report={name}" for name in FORMATS]
    result = project.runpytest_subprocess(
        "--shadow-target=v2", "--shadow-allow-unsafe", "--shadow-timeout=5", *reports, *options, "-p", "no:cacheprovider", timeout=120
    )
    texts = _put_out(project.path, result)
    record = json.loads(texts["shadowdiff-report.json"])
    assert record["summary"]["different"] == 10
    assert record["summary"]["incomplete"] == 1
    assert record["summary"]["skipped"] == 1
    assert "(a number)" in texts["shadowdiff-report.json"]
    assert len(texts) >= 2 + len(FORMATS)
    leaks = [(name, spelling) for name, text in texts.items() for spelling in _spellings() if spelling in text]
    assert not leaks, leaks[:5]
