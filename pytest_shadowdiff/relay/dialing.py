"""Connections to one version: addresses, Unix sockets, TLS, and what is said when none comes about."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from pytest_shadowdiff.errors import SetupError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pytest_shadowdiff.model import Tls, Upstream


_NEXT_ADDRESS: Final = 0.25  # seconds after which the next address of a name is tried as well (RFC 8305)


class Dialer:
    """Opens connections to one version.

    Args:
        role: the side, for messages.
        connect_seconds: how long a connection may take.

    Attributes:
        name: for messages: "candidate v2 (127.0.0.1:8002)".
        refused_until: in the event loop's time: until then nobody need try again.

    Raises:
        SetupError: the files for TLS cannot be read.
    """

    def __init__(
        self, role: str, upstream: Upstream, loop: asyncio.AbstractEventLoop, connect_seconds: float, refused_seconds: float
    ) -> None:
        self._upstream = upstream
        self._loop = loop
        self._connect_seconds = connect_seconds
        self._refused_seconds = refused_seconds
        self._tls = _context(upstream.tls, upstream.name) if upstream.tls is not None else None
        self._family = _family(upstream.host)
        host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
        self.name = f"{role} {upstream.name} ({upstream.socket or f'{host}:{upstream.port}'})"
        self.refused_until = 0.0
        self.refusal = ""

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> str:
        """Connect `protocol`; the reason where that fails, else empty."""
        late, task = False, asyncio.current_task()

        def give_up() -> None:
            nonlocal late
            late = True
            if task is not None:
                task.cancel()

        timer = self._loop.call_later(self._connect_seconds, give_up)  # a `wait_for` would cost a task more
        try:
            await self._connect(protocol)
        except asyncio.CancelledError:
            if not late:
                raise
            return self._remember(f"the {self.name} did not accept a connection within {self._connect_seconds:g} s (max_connect_seconds)")
        except ConnectionRefusedError:
            return self._remember(f"the {self.name} refused the connection")
        except OSError as error:  # TLS, DNS, routes, missing sockets
            what = "TLS: " if type(error).__module__ == "ssl" else ""
            return self._remember(f"the {self.name} cannot be reached ({what}{error.strerror or error})")
        finally:
            timer.cancel()
        return ""

    def _remember(self, reason: str) -> str:
        self.refused_until = self._loop.time() + self._refused_seconds
        self.refusal = reason
        return reason

    async def _connect(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        upstream = self._upstream
        name = None
        if self._tls is not None:
            name = (upstream.tls.server_name if upstream.tls else None) or upstream.host
        if upstream.socket is not None:
            await self._loop.create_unix_connection(protocol, upstream.socket, ssl=self._tls, server_hostname=name)
        elif self._family is not None and self._tls is None:
            await self._connect_plainly(protocol, self._family)
        else:
            delay = None if self._family is not None else _NEXT_ADDRESS
            await self._loop.create_connection(
                protocol, upstream.host, upstream.port, ssl=self._tls, server_hostname=name, happy_eyeballs_delay=delay
            )

    async def _connect_plainly(self, protocol: Callable[[], asyncio.Protocol], family: socket.AddressFamily) -> None:
        """To an address, without what a name or TLS takes."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(0.0)
            await self._loop.sock_connect(sock, (self._upstream.host, self._upstream.port))
            await self._loop.create_connection(protocol, sock=sock)
        except BaseException:
            sock.close()
            raise


def _family(host: str) -> socket.AddressFamily | None:
    """Of an address; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return family
    return None


def _context(tls: Tls, name: str) -> ssl.SSLContext:
    import ssl  # only where a version speaks TLS

    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ValueError) as error:
        message = f"The TLS files of {name} cannot be read (ca = {tls.ca}, cert = {tls.cert}, key = {tls.key}): {error}"
        raise SetupError(message) from error
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
