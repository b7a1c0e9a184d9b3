"""A version that runs already, somewhere: nothing is started, and nothing is ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pytest_shadowdiff.errors import TargetError
from pytest_shadowdiff.model import Headers, Tls, Upstream
from pytest_shadowdiff.settings import Target
from pytest_shadowdiff.targets.readiness import until_ready

DEFAULT_PORTS = {"http": 80, "https": 443}
KEPT_IN_PATHS = "/%:@!$&'()*+,;=~"  # RFC 3986, pchar; what is encoded already stays so


@dataclass(frozen=True, slots=True)
class Reached:
    """A version behind a URL."""

    target: Target
    upstream: Upstream
    log: Path | None = None

    def wait(self) -> None:
        """Return as soon as it answers, where its target says how to see that; at once otherwise.

        Raises:
            TargetError: it did not answer in time.
        """
        if self.target.ready is None:
            return
        there, problem = until_ready(self.target, [self.upstream], _sleep)
        if there is None:
            raise TargetError(
                f"Target {self.target.name}: {self.target.url} was not ready within {self.target.ready_seconds:g} s ({problem}). "
                f"Is it running, and is {self.target.ready} its targets.{self.target.name}.ready?"
            )

    def failure(self) -> str | None:
        """None: how it fares is not ours to know."""
        return None

    def stop(self) -> None:
        """Nothing: it is not ours to end."""


def launch(target: Target, *, directory: Path, run_id: str) -> Reached:
    """The version at the target's URL."""
    del directory, run_id
    return Reached(target, upstream(target))


def upstream(target: Target) -> Upstream:
    """Where the target's URL leads: the Host that it gets, its TLS, its path prefix and its credentials.

    The caller's Host reaches a version on loopback as it is, so that its redirects stay inside the mirror; a version
    elsewhere gets its own, since it may share its address with others.
    """
    parts = urlsplit(target.url or "")
    host = _ascii(parts.hostname or "")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    own = host if port == DEFAULT_PORTS[parts.scheme] else f"{_bracketed(host)}:{port}"
    return Upstream(
        name=target.name,
        host=host,
        port=port,
        tls=(target.tls or Tls()) if parts.scheme == "https" else None,
        prefix=quote(parts.path.rstrip("/"), safe=KEPT_IN_PATHS),
        host_header=target.host or (None if is_loopback(host) else own),
        headers=(*_credentials(parts.username, parts.password), *target.headers),
    )


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is this machine by its address or by its name (RFC 6761, 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _credentials(user: str | None, password: str | None) -> Headers:
    if user is None:
        return ()
    from base64 import b64encode

    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return (("Authorization", f"Basic {b64encode(pair).decode('ascii')}"),)  # RFC 7617


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
