"""A `tcpdump` that runs now: its packets as they come, and how many it lost."""

from __future__ import annotations

import contextlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from pytest_shadowdiff.captures.packets import Dissector, stream
from pytest_shadowdiff.captures.segments import Segment
from pytest_shadowdiff.errors import SettingsError, SetupError

START_SECONDS = 10.0
MARK_SECONDS = 5.0
LOOK_SECONDS = 0.01
_LISTENS = re.compile(r"listening on|verbose output suppressed")
_DROPPED = re.compile(r"(\d+) packets? dropped by (?:kernel|interface)")
_BUFFER = ("-s", "70000", "-B", "65536")
"""A packet of loopback whole, and room for some hundreds of them: each takes its largest size in the kernel's buffer."""
MAX_WAITING = 200_000
HOW_TO = "Install tcpdump and let this user capture (root, or the capability cap_net_raw), or give each target a `capture` file."


class Tcpdump:
    """Captures TCP at some ports, in a process of its own, and hands on each segment in a thread.

    Args:
        ports: at which the versions listen.
        seen: called with each segment, in the order of the capture.
        interface: where the versions are reached; `any` sees each packet of loopback twice.
    """

    def __init__(self, ports: Sequence[int], seen: Callable[[Segment], None], interface: str = "lo") -> None:
        self._ports = sorted(set(ports))
        self._seen = seen
        self._interface = interface
        self._child: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        self._said: list[str] = []
        self._listening = threading.Event()
        self._marks: set[int] = set()
        self._changed = threading.Condition()
        self._waiting: queue.SimpleQueue[tuple[int, float, bytes] | None] = queue.SimpleQueue()
        self.failure: str | None = None

    def start(self) -> None:
        """Begin to capture.

        Raises:
            SetupError: there is no tcpdump, or it may not capture.
        """
        program = shutil.which("tcpdump")
        if program is None:
            raise SetupError(f"The tap `tcpdump` finds no tcpdump. {HOW_TO}")
        ports = " or ".join(f"tcp port {port}" for port in self._ports)
        words = [program, "-i", self._interface, "-n", "-U", "--immediate-mode", *_BUFFER, "-w", "-", ports]
        dissector = Dissector()
        self._child = child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if child.stdout is None or child.stderr is None:
            raise SetupError("tcpdump has no pipes.")
        self._begin(self._listen, child.stderr)
        self._begin(self._read, child.stdout)
        self._begin(self._dissect, dissector)
        deadline = time.monotonic() + START_SECONDS
        while not self._listening.wait(LOOK_SECONDS):
            if child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SetupError(f"tcpdump does not capture: {' '.join(self._said)[-400:] or 'it says nothing'} {HOW_TO}")

    def mark(self, address: tuple[str, int]) -> bool:
        """Return when all that passed before is handed on: a connection of our own is made and has to be seen.

        Returns:
            Whether it was seen in time.
        """
        with contextlib.suppress(OSError), socket.create_connection(address, MARK_SECONDS) as probe:
            ours = int(probe.getsockname()[1])
            with self._changed:
                return self._changed.wait_for(lambda: ours in self._marks or self.failure is not None, MARK_SECONDS)
        return False

    def dropped(self) -> int:
        """How many packets tcpdump says that it lost so far."""
        child = self._child
        if child is not None and child.poll() is None:
            before = len(self._said)
            child.send_signal(signal.SIGUSR1)
            deadline = time.monotonic() + 1.0
            while len(self._said) == before and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
        counts = [int(number) for line in self._said[-3:] for number in _DROPPED.findall(line)]
        return sum(counts)

    def stop(self) -> None:
        """End it; safe to call twice."""
        child, self._child = self._child, None
        if child is not None:
            child.terminate()
            try:
                child.wait(MARK_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for thread in self._threads:
            thread.join(MARK_SECONDS)
        for pipe in (child.stdout, child.stderr) if child is not None else ():
            if pipe is not None:
                pipe.close()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="shadowdiff-tcpdump", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self, errors: IO[bytes]) -> None:
        for line in errors:
            text = line.decode("utf-8", "replace").strip()
            self._said.append(text)
            del self._said[:-50]
            if _LISTENS.search(text):
                self._listening.set()

    def _read(self, packets: IO[bytes]) -> None:
        """Takes packets off the pipe at once: what waits there, the kernel drops."""
        try:
            for packet in stream(packets):  # type: ignore[arg-type] # a pipe reads like a file
                if self._waiting.qsize() > MAX_WAITING:
                    self.failure = f"more than {MAX_WAITING} packets wait to be read"
                    break
                self._waiting.put(packet)
        except (SettingsError, OSError, ValueError) as error:
            self.failure = str(error)
        if self._child is not None and self.failure is None:
            self.failure = f"tcpdump ended by itself: {' '.join(self._said)[-400:]}"
        self._waiting.put(None)
        with self._changed:
            self._changed.notify_all()

    def _dissect(self, dissector: Dissector) -> None:
        while (packet := self._waiting.get()) is not None:
            segment = dissector.segment(*packet)
            if segment is not None:
                self._hand_on(segment)

    def _hand_on(self, segment: Segment) -> None:
        self._seen(segment)
        if segment.syn and segment.ack is None:
            with self._changed:
                self._marks.add(int(segment.source[1]))
                self._changed.notify_all()
