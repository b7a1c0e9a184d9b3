"""Connections to one version: addresses, Unix sockets, TLS, and what is said when none comes about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import SetupError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pytest_shadowdiff.model import Tls, Upstream


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
        host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
        self.name = f"{role} {upstream.name} ({upstream.socket or f'{host}:{upstream.port}'})"
        self.refused_until = 0.0
        self.refusal = ""

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> str:
        """Connect `protocol`; the reason where that fails, else empty."""
        try:
            await asyncio.wait_for(self._connect(protocol), self._connect_seconds)
        except asyncio.TimeoutError:
            return self._remember(f"the {self.name} did not accept a connection within {self._connect_seconds:g} s")
        except ConnectionRefusedError:
            return self._remember(f"the {self.name} refused the connection")
        except OSError as error:  # TLS, DNS, routes, missing sockets
            what = "TLS: " if type(error).__module__ == "ssl" else ""
            return self._remember(f"the {self.name} cannot be reached ({what}{error.strerror or error})")
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
        else:
            await self._loop.create_connection(
                protocol,
                upstream.host,
                upstream.port,
                ssl=self._tls,
                server_hostname=name,
                happy_eyeballs_delay=None if upstream.host[:1].isdigit() else 0.25,
            )


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
