"""A version given as a URL: where its requests go, what Host they carry, and how its TLS is spoken."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from pytest_shadowdiff import targets
from pytest_shadowdiff.errors import TargetError
from pytest_shadowdiff.model import Tls, Upstream
from pytest_shadowdiff.settings import Target


def upstream(url: str, **more: object) -> Upstream:
    return targets.start(Target("v2", url=url, **more), directory=Path(), run_id="run").upstream  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url,host,port,prefix",
    [
        ("http://127.0.0.1:8001", "127.0.0.1", 8001, ""),
        ("http://localhost", "localhost", 80, ""),
        ("https://shop.example", "shop.example", 443, ""),
        ("http://[::1]:8001/", "::1", 8001, ""),
        ("http://h:1/a/b", "h", 1, "/a/b"),
        ("http://h:1/a/b//", "h", 1, "/a/b"),
        ("http://h:1/a%2Fb/ü", "h", 1, "/a%2Fb/%C3%BC"),
        ("http://BÜCHER.example:1", "xn--bcher-kva.example", 1, ""),
    ],
)
def test_where_a_url_leads(url: str, host: str, port: int, prefix: str) -> None:
    reached = upstream(url)
    assert (reached.host, reached.port, reached.prefix) == (host, port, prefix)


@pytest.mark.parametrize(
    "url,host",
    [
        ("http://127.0.0.1:8001", None),
        ("http://127.9.9.9:8001", None),
        ("http://localhost:8001", None),
        ("http://v2.localhost:8001", None),
        ("http://[::1]:8001", None),
        ("http://shop.example", "shop.example"),
        ("http://shop.example:80", "shop.example"),
        ("https://shop.example:443", "shop.example"),
        ("https://shop.example:80", "shop.example:80"),
        ("http://10.0.0.7:8001", "10.0.0.7:8001"),
        ("http://[fd00::1]:8001", "[fd00::1]:8001"),
        ("http://[fd00::1]", "fd00::1"),
        ("http://127.0.0.1.nip.example", "127.0.0.1.nip.example"),
    ],
)
def test_the_callers_host_reaches_loopback_and_a_url_elsewhere_gets_its_own(url: str, host: str | None) -> None:
    assert upstream(url).host_header == host
    assert upstream(url, host="other").host_header == "other"


def test_user_and_password_become_credentials_before_the_targets_own_headers() -> None:
    reached = upstream("http://us%40er:p%3Aw@127.0.0.1:1", headers=(("x-mark", "1"),))
    assert tuple(reached.headers) == (("Authorization", "Basic dXNAZXI6cDp3"), ("x-mark", "1"))


def test_tls_is_spoken_where_the_url_says_https() -> None:
    ours = Tls(server_name="v2.internal")
    assert upstream("https://h").tls == Tls()
    assert upstream("https://h", tls=ours).tls == ours
    assert upstream("http://h", tls=ours).tls is None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Host"], self.headers["X-Mark"]))  # type: ignore[attr-defined]
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.statuses = [], []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_nobody_is_asked_without_ready() -> None:
    upstream("http://127.0.0.1:1")


def test_ready_is_asked_until_it_answers_as_its_requests_would_be(server: HTTPServer) -> None:
    server.statuses[:] = [503, 500]  # type: ignore[attr-defined]
    upstream(f"http://127.0.0.1:{server.server_port}/api/", ready="/up?now", host="shop.example", headers=(("X-Mark", "1"),))
    assert server.seen == [("/api/up?now", "shop.example", "1")] * 3  # type: ignore[attr-defined]


def test_one_that_does_not_answer_in_time_says_where_and_what() -> None:
    with pytest.raises(TargetError, match=r"Target v2: http://127.0.0.1:1 was not ready within 0.1 s \(127.0.0.1:1: .*refused\)"):
        upstream("http://127.0.0.1:1", ready="/", ready_seconds=0.1)


@pytest.fixture
def secure(server: HTTPServer, tmp_path: Path) -> tuple[int, Tls]:
    """A server that wants a certificate of its callers, and what a caller needs."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client = authority.issue_cert("caller@example.org")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("v2.internal").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server.server_port, Tls(ca=str(tmp_path / "ca.pem"), cert=str(tmp_path / "client.pem"), server_name="v2.internal")


def test_ready_speaks_tls_with_authority_name_and_client_certificate(secure: tuple[int, Tls], server: HTTPServer) -> None:
    port, tls = secure
    upstream(f"https://127.0.0.1:{port}", tls=tls, ready="/")
    assert [path for path, _, _ in server.seen] == ["/"]  # type: ignore[attr-defined]


def test_a_certificate_that_is_not_trusted_is_said_at_once_with_the_key_to_mend_it(secure: tuple[int, Tls]) -> None:
    port, _ = secure
    with pytest.raises(TargetError, match=r"Target v2: its certificate is not trusted: .*Give the CA as tls.ca"):
        upstream(f"https://127.0.0.1:{port}", ready="/", ready_seconds=3600)
