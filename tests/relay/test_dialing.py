"""A version that accepts no connection is named in time."""

from __future__ import annotations

import socket

from pytest_shadowdiff.model import Upstream
from pytest_shadowdiff.relay.limits import RelayLimits
from tests.relay.conftest import OK, Lab


def test_a_version_that_does_not_accept_is_named_in_time(lab: Lab) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (first, second):  # the backlog is full: Linux drops what comes beyond it
            sock.settimeout(0.2)
            sock.connect_ex(full.getsockname())
        there = Upstream("v2", "127.0.0.1", full.getsockname()[1])
        setup = lab.mirror(lab.version(), there, bounds=RelayLimits(connect_seconds=0.3))
        assert setup.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == OK
        problem = setup.seen("candidate")[0].exchange.problem
        reason = "did not accept a connection within 0.3 s (max_connect_seconds) for GET /"
        assert problem == f"the candidate v2 (127.0.0.1:{there.port}) {reason}"


def test_a_name_that_is_unknown_is_named(lab: Lab) -> None:
    setup = lab.mirror(lab.version(), Upstream("v2", "no-such-name.invalid", 80))
    assert setup.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == OK
    assert "the candidate v2 (no-such-name.invalid:80) cannot be reached (" in setup.seen("candidate")[0].exchange.problem
