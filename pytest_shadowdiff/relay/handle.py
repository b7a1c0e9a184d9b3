"""The relay as pytest's process holds it: started, told, asked how it is, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from pytest_shadowdiff.errors import MirrorError, SetupError
from pytest_shadowdiff.model import SAFE_METHODS, Pair, Request
from pytest_shadowdiff.relay.limits import RelayLimits
from pytest_shadowdiff.relay.messages import Ask, Close, Command, Open, Plan, Reply, Settle, Stop, Unframer, framed
from pytest_shadowdiff.spool.records import CHUNKED, LENGTH, NONE

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.routing import Routing
    from pytest_shadowdiff.settings import Limits

_START_SECONDS: Final = 20.0
_REPLY_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 2.0
_KEPT: Final = ("PATH", "TMPDIR", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")
_HEADERS: Final = {"content-length", "transfer-encoding"}


class Relay:
    """The relay's process, and the channel to it. All methods may be called from any thread.

    Args:
        routing: how it reaches the versions.
        directory: of the spool that it writes; 0700, made where it is missing.
        run_id: what marked requests carry.
        timeout: seconds after the primary's answer that a copy's answer may take.
        limits: bounds on bodies.
        percent: the share of requests that is mirrored.
        bounds: the relay's own bounds; by default what `limits` says of them.
    """

    def __init__(
        self,
        routing: Routing,
        *,
        directory: Path,
        run_id: str,
        timeout: float,
        limits: Limits,
        percent: float = 100.0,
        bounds: RelayLimits | None = None,
    ) -> None:
        bounds = replace(bounds, body=limits.body) if bounds is not None else _bounds(limits)
        self._plan = Plan(routing, str(directory), run_id, timeout, percent, bounds)
        self._directory = directory
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._unframer = Unframer()
        self._replies: dict[int, Reply] = {}
        self._decode = msgspec.msgpack.Decoder(Reply).decode
        self._number = 0
        self._problem = ""
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Of the relay's process, while there is one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process, and return when it is ready.

        Raises:
            SetupError: it does not come up, or what it was given cannot work.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        main = Path(__file__).with_name("__main__.py")
        command = [sys.executable, "-I", "-S", str(main), str(theirs.fileno()), str(Path(msgspec.__file__).parents[1])]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
            )
        except OSError as error:
            ours.close()
            message = f"The relay cannot be started with {sys.executable}: {error}"
            raise SetupError(message) from error
        finally:
            os.close(log)
            theirs.close()
        self._channel = ours
        ours.sendall(framed(msgspec.msgpack.encode(self._plan)))
        self._await_ready()

    def open_entry(self, key: str, *, unsafe: bool = False) -> str:
        """A listener of this key's own: `http://127.0.0.1:PORT`.

        Args:
            unsafe: requests that may write are mirrored too.

        Raises:
            MirrorError: the relay is gone.
        """
        with self._lock:
            self._number += 1
            return self._ask_relay(Open(self._number, key, unsafe))

    def close_entry(self, key: str) -> None:
        """Close that listener, and the connections that came through it once their answers are through."""
        with self._lock, suppress(MirrorError):
            self._number += 1
            self._ask_relay(Close(self._number, key))

    def settle(self, key: str) -> None:
        """Return when every request that came through this entry so far stands in the spool; bounded in time.

        Raises:
            MirrorError: the relay is gone.
        """
        with self._lock:
            self._number += 1
            self._ask_relay(Settle(self._number, key))

    def ask(self, pair: Pair, attempt: int, *, candidate_first: bool = False) -> None:
        """Have the control and the candidate asked this pair's request again; both arrive in the spool.

        Raises:
            MirrorError: the relay is gone.
            ValueError: the request may write.
        """
        if pair.request.method not in SAFE_METHODS:
            message = f"{pair.request.method} is not asked again: it may write"
            raise ValueError(message)
        head, rest, framing = _wire(pair.request)
        with self._lock:
            self._send(Ask(pair.id, attempt, candidate_first, head, rest, framing))

    def failure(self) -> str | None:
        """Why nothing more is recorded ("the relay (pid 4711) was ended by signal 9"); None while all is well."""
        process = self._process
        if process is None or self._stopped:
            return None
        with self._lock:
            self._drain()
        if self._problem:
            return f"the relay (pid {process.pid}) stopped recording: {self._problem}"
        status = process.poll()
        if status is None:
            return None
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        words = self._last_words()
        return f"the relay (pid {process.pid}) {how}{f': {words}' if words else ''}"

    def stop(self) -> None:
        """End the process: asked first, then TERM, then KILL; safe to call twice."""
        process = self._process
        if process is None or self._stopped:
            return
        self._stopped = True
        with suppress(MirrorError, OSError), self._lock:
            self._send(Stop())
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
                break
        if self._channel is not None:
            self._channel.close()

    @property
    def _log(self) -> Path:
        return self._directory / "relay.log"

    def _await_ready(self) -> None:
        try:
            reply = self._reply(0, _START_SECONDS)
        except MirrorError as error:
            self.stop()
            message = f"The relay did not start: {error}"
            raise SetupError(message) from error
        if self._problem or reply.value != "ready":
            problem = self._problem or reply.error
            self.stop()
            message = f"The relay did not start: {problem}"
            raise SetupError(message)

    def _ask_relay(self, command: Open | Close | Settle) -> str:
        self._send(command)
        reply = self._reply(command.number, _REPLY_SECONDS)
        if reply.error:
            raise MirrorError(reply.error)
        return reply.value

    def _send(self, command: Command) -> None:
        if self._channel is None:
            message = "the relay is not running"
            raise MirrorError(message)
        try:
            self._channel.sendall(framed(msgspec.msgpack.encode(command)))
        except OSError as error:
            raise self._gone() from error

    def _reply(self, number: int, seconds: float) -> Reply:
        until = time.monotonic() + seconds
        while number not in self._replies:
            left = until - time.monotonic()
            if left <= 0:
                message = f"the relay (pid {self.pid}) did not answer within {seconds:g} s"
                raise MirrorError(message)
            self._receive(left)
        return self._replies.pop(number)

    def _receive(self, seconds: float) -> None:
        channel = self._channel
        if channel is None:
            raise self._gone()
        channel.settimeout(seconds)
        try:
            data = channel.recv(65536)
        except (TimeoutError, BlockingIOError):
            return
        except OSError as error:
            raise self._gone() from error
        finally:
            channel.settimeout(None)
        if not data:
            raise self._gone()
        for payload in self._unframer.feed(data):
            reply = self._decode(payload)
            if not reply.number and reply.error:
                self._problem = reply.error
            self._replies[reply.number] = reply

    def _drain(self) -> None:
        with suppress(MirrorError):
            self._receive(0.0)

    def _gone(self) -> MirrorError:
        with suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(1.0)
        return MirrorError(self.failure_text())

    def failure_text(self) -> str:
        """`failure`, or that the channel broke."""
        process = self._process
        status = process.poll() if process is not None else None
        if status is None:
            return f"the relay (pid {self.pid}) closed its channel"
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        words = self._last_words()
        return f"the relay (pid {self.pid}) {how}{f': {words}' if words else ''}"

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""


def _bounds(limits: Limits) -> RelayLimits:
    return RelayLimits(
        body=limits.body,
        queue=limits.queue,
        queue_bytes=limits.queue_bytes,
        connections=limits.connections,
        head_seconds=limits.head_seconds,
        connect_seconds=limits.connect_seconds,
        spool=limits.spool,
    )


def _wire(request: Request) -> tuple[bytes, bytes, int]:
    """Head, framed body and framing of a request, as its caller sent them."""
    headers: Sequence[tuple[str, str]] = request.headers
    names = {name.lower() for name, _ in headers}
    lines = [f"{request.method} {request.target} HTTP/{request.http_version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if "transfer-encoding" in names:
        chunk = b"%x\r\n%b\r\n" % (len(request.body), request.body) if request.body else b""
        trailers = "".join(f"{name}: {value}\r\n" for name, value in request.trailers).encode("latin-1")
        return head, b"%b0\r\n%b\r\n" % (chunk, trailers), CHUNKED
    return head, request.body, LENGTH if "content-length" in names else NONE
