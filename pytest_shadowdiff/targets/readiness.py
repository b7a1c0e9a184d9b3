"""Whether a version answers yet: one question at a time, less and less often."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Sequence

from pytest_shadowdiff.errors import TargetError
from pytest_shadowdiff.model import Tls, Upstream
from pytest_shadowdiff.settings import Target

ASK_SECONDS = 5.0  # how long one question may take
FIRST_DELAY, LAST_DELAY, GROWTH = 0.02, 0.5, 1.5
SERVER_ERROR = 500
REFUSED = os.strerror(errno.ECONNREFUSED)


def until_ready(target: Target, upstreams: Sequence[Upstream], ended: Callable[[float], bool]) -> tuple[Upstream | None, str]:
    """Ask until it answers, it ended, or the target's `ready_seconds` are over.

    Args:
        upstreams: where it may listen, the likeliest first.
        ended: waits so many seconds, less if the version ends, and says whether it did.

    Returns:
        Where it answers, or None; and what was wrong when it was asked last.

    Raises:
        TargetError: what no waiting mends: its certificate, or ours.
    """
    deadline = time.monotonic() + target.ready_seconds
    delay = FIRST_DELAY
    while True:
        problems = []
        for upstream in upstreams:
            problem = ask(upstream, target.ready)
            if not problem:
                return upstream, ""
            problems.append(problem)
        left = deadline - time.monotonic()
        if left <= 0 or ended(min(delay, left)):
            return None, next((said for said in problems if REFUSED not in said), problems[0])
        delay = min(delay * GROWTH, LAST_DELAY)


def ask(upstream: Upstream, ready: str | None) -> str:
    """Ask once: a connection where `ready` is None, else any answer below 500. What is wrong, or nothing.

    Raises:
        TargetError: what no waiting mends: its certificate, or ours.
    """
    try:
        with _connected(upstream) as connection:
            if ready is None:
                return ""
            status = _status(connection, upstream, ready)
    except OSError as error:
        return f"{upstream.host}:{upstream.port}: {str(error) or type(error).__name__}"
    return f"GET {ready} was answered with {status}" if status >= SERVER_ERROR else ""


def _connected(upstream: Upstream) -> socket.socket:
    plain = socket.create_connection((upstream.host, upstream.port), ASK_SECONDS)
    if upstream.tls is None:
        return plain
    try:
        return _secured(plain, upstream.tls, upstream)
    except BaseException:
        plain.close()
        raise


def _secured(plain: socket.socket, tls: Tls, upstream: Upstream) -> socket.socket:
    import ssl

    context = ssl.create_default_context(cafile=tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    try:
        return context.wrap_socket(plain, server_hostname=tls.server_name or upstream.host)
    except ssl.SSLCertVerificationError as error:
        raise TargetError(
            f"Target {upstream.name}: its certificate is not trusted: {error.verify_message}. "
            f"Give the CA as tls.ca, or its name as tls.server_name, in targets.{upstream.name}."
        ) from None


def _status(connection: socket.socket, upstream: Upstream, path: str) -> int:
    from http.client import HTTPConnection, HTTPException

    http = HTTPConnection(upstream.host, upstream.port)
    http.sock = connection
    headers = dict(upstream.headers)
    if upstream.host_header is not None:
        headers["Host"] = upstream.host_header
    try:
        http.request("GET", upstream.prefix + path, headers=headers)
        return http.getresponse().status
    except HTTPException as error:
        raise ConnectionError(f"no HTTP answer: {error!r}") from None
