"""A request as a command for a shell, to see an answer for oneself."""

from __future__ import annotations

import re
import shlex

from pytest_shadowdiff.model import Request
from pytest_shadowdiff.report.text import unseen, visible

_LEFT_TO_CURL = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "user-agent", "expect", "te"})
_LONGEST_BODY = 2000
_GLOB = re.compile(r"[\[\]{}]")


def curl(request: Request, base: str, host: str | None = None) -> str:
    """The command that sends a (redacted) request to the version at `base`; `host` where it needs another Host than that."""
    url = f"{base}{request.target}"
    words = ["curl", "-i"]
    if _GLOB.search(url):
        words.append("-g")
    if request.method == "HEAD":
        words = [*words[:1], "-I", *words[2:]]
    elif request.method != ("POST" if request.body else "GET"):
        words += ["-X", quoted(request.method)]
    words.append(quoted(url))
    if host:
        words += ["-H", quoted(f"Host: {host}")]
    for name, value in request.headers:
        if (
            name.lower() not in _LEFT_TO_CURL
            and not name.lower().startswith("x-shadowdiff-")
            and (name.lower(), value) != ("accept", "*/*")
        ):
            words += ["-H", quoted(f"{name}: {value}" if value else f"{name};")]
    if any(name.lower() == "accept-encoding" for name, _ in request.headers):
        words.append("--compressed")
    return " ".join((*words, *_body(request.body)))


def _body(body: bytes) -> tuple[str, ...]:
    if not body:
        return ()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _LONGEST_BODY or "\0" in text:
        return ("--data-binary", "@BODY", f"  # BODY: a file with the request's {len(body)} bytes")
    return ("--data-raw", quoted(text))


def quoted(text: str) -> str:
    """One word for a shell; what no terminal should see is written as bash and zsh read it (`$'…'`)."""
    if visible(text) == text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(_escape(character) if unseen(character) else character for character in escaped) + "'"


def _escape(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    return short or "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
