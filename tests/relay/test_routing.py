"""How each version is reached, and what its requests carry."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Tls, Upstream
from tests.relay.conftest import OK, Lab, Peer, serve

GET = b"GET /x HTTP/1.1\r\nhost: caller:1\r\nX-A: 1\r\nx-auth: mine\r\nX-Auth: twice\r\nX-B: 2\r\n\r\n"


def test_prefix_host_and_headers_of_each_version(lab: Lab) -> None:
    primary, candidate = lab.version(), lab.version()
    second = replace(candidate.upstream, prefix="/api/v2", host_header="v2.example", headers=(("X-Auth", "two"), ("X-New", "n")))
    setup = lab.mirror(primary, second)
    setup.exchange(GET)
    seen = setup.seen("candidate")[0].exchange

    assert primary.requests == [GET]
    assert candidate.requests == [
        b"GET /api/v2/x HTTP/1.1\r\nHost: v2.example\r\nX-A: 1\r\nX-Auth: two\r\nX-B: 2\r\nX-New: n\r\n\r\n",
    ]
    assert seen.request.target == "/api/v2/x"
    assert seen.request.headers == (("Host", "v2.example"), ("X-A", "1"), ("X-Auth", "two"), ("X-B", "2"), ("X-New", "n"))
    assert setup.opened()[0].request.target == "/x"


def test_the_primarys_own_headers_too(lab: Lab) -> None:
    primary = lab.version()
    setup = lab.mirror(replace(primary.upstream, prefix="/p", headers=(("X-Mark", "1"),)), lab.version(), unsafe=True)
    setup.exchange(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
    assert primary.requests == [b"POST /p/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX-Mark: 1\r\n\r\nbody"]
    seen = setup.seen("primary")[0].exchange
    assert (seen.request.target, seen.request.body) == ("/p/x", b"body")


def test_marked_requests_carry_the_pair_and_the_run(lab: Lab) -> None:
    primary = lab.version()
    setup = lab.mirror(primary, lab.version(), marked=True)
    setup.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nX-ShadowDiff-Id: forged\r\n\r\n")
    pair = setup.opened()[0].pair
    assert primary.requests == [f"GET / HTTP/1.1\r\nHost: a\r\nx-shadowdiff-id: {pair}\r\nx-shadowdiff-run: run1\r\n\r\n".encode()]


def test_a_third_target_gets_safe_requests_as_control(lab: Lab) -> None:
    third = lab.version()
    setup = lab.mirror(lab.version(), lab.version(), third, unsafe=True)
    setup.exchange(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    setup.exchange(b"POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert setup.seen("control")[0].exchange.response is not None
    assert [event.owed for event in setup.opened(2)] == [("primary", "candidate", "control"), ("primary", "candidate")]
    setup.seen("candidate", 2)
    assert len(third.requests) == 1


def test_a_version_on_a_unix_socket(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "v.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer(sock: socket.socket) -> None:
            with sock:
                serve()(Peer(sock))

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        there = Upstream("v1", "", 0, socket=str(path))
        setup = lab.mirror(there, there)
        assert setup.exchange(GET) == OK
        assert not setup.seen("candidate")[0].exchange.problem
        listener.shutdown(socket.SHUT_RDWR)
    gone = Upstream("v2", "", 0, socket=str(tmp_path / "gone.sock"))
    setup = lab.mirror(lab.version(), gone)
    setup.exchange(GET)
    assert (
        setup.seen("candidate")[0].exchange.problem
        == f"the candidate v2 ({gone.socket}) cannot be reached (No such file or directory) for GET /x"
    )


def test_a_version_by_name(lab: Lab) -> None:
    version = lab.version()
    there = replace(version.upstream, host="localhost")
    setup = lab.mirror(there, there)
    assert setup.exchange(GET) == OK
    assert not setup.seen("candidate")[0].exchange.problem


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate of `v.example` for both ends."""
    trustme = pytest.importorskip("trustme")
    place: Path = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(place / "ca.pem")
    authority.issue_cert("v.example").private_key_and_cert_chain_pem.write_to_path(place / "v.pem")
    return place


def tls_script(certificates: Path) -> object:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "v.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def script(peer: Peer) -> None:
        with peer.sock, context.wrap_socket(peer.sock, server_side=True) as sock:
            serve()(Peer(sock))

    return script


def test_tls_with_authority_client_certificate_and_name(lab: Lab, certificates: Path) -> None:
    version = lab.version(tls_script(certificates), "v1")  # type: ignore[arg-type]
    both = str(certificates / "v.pem")
    tls = Tls(ca=str(certificates / "ca.pem"), cert=both, key=both, server_name="v.example")
    there = replace(version.upstream, tls=tls)
    setup = lab.mirror(there, there)
    assert setup.exchange(GET) == OK
    assert not setup.seen("candidate")[0].exchange.problem

    setup = lab.mirror(there, replace(there, tls=replace(tls, server_name="w.example")))
    setup.exchange(GET)
    assert "cannot be reached (TLS: " in setup.seen("candidate")[0].exchange.problem

    setup = lab.mirror(there, replace(there, tls=replace(tls, ca=None)))
    setup.exchange(GET)
    assert "cannot be reached (TLS: " in setup.seen("candidate")[0].exchange.problem

    setup = lab.mirror(there, replace(there, tls=replace(tls, ca=None, verify=False)))
    setup.exchange(GET)
    assert not setup.seen("candidate")[0].exchange.problem


def test_tls_files_that_are_missing_end_the_start(lab: Lab) -> None:
    version = lab.version()
    with pytest.raises(SetupError, match=r"The TLS files of v cannot be read \(ca = /nowhere"):
        lab.mirror(replace(version.upstream, tls=Tls(ca="/nowhere/ca.pem")), version)


def test_a_share_of_requests_is_mirrored(lab: Lab) -> None:
    candidate = lab.version()
    setup = lab.mirror(lab.version(), candidate, percent=0)
    setup.exchange(GET)
    assert [event.reason for event in setup.skipped()] == ["not in the sample of 0 %"]
    assert setup.opened()[0].owed == ()
    assert candidate.requests == []


def test_writes_are_not_mirrored_unless_permitted(lab: Lab) -> None:
    candidate = lab.version()
    setup = lab.mirror(lab.version(), candidate)
    for method in ("POST", "PUT", "DELETE", "PATCH", "get", "QUERY"):
        setup.exchange(f"{method} /x HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    reasons = [event.reason for event in setup.skipped(6)]
    assert reasons[0] == "POST is not mirrored without --shadow-allow-unsafe and the marker's allow_unsafe"
    assert candidate.requests == []
