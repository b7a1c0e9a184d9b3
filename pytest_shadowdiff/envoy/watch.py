"""One tap stream kept alive: it proves by probes that it sees every listener, and opens itself again where it does not.

A stream can fall silent and say nothing, after a listener was updated or a connection on the way was lost. So a probe
goes through the mirror every second, each listener before a version answers it, and the stream has to show it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.envoy import marks
from pytest_shadowdiff.envoy.entrance import probe
from pytest_shadowdiff.envoy.tapstream import TapStream, Wanted
from pytest_shadowdiff.envoy.traces import Traced, traced
from pytest_shadowdiff.errors import MirrorError, SetupError, ShadowError

BEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""How long a probe may be missing in a stream that shows nothing else either."""
BEHIND = 3
"""How many probes one listener may be behind another, in a stream that shows plenty."""
START_SECONDS = 15.0
REOPEN_SECONDS = 5.0
SETTLE_SECONDS = 10.0
LONGEST_SECONDS = 120.0
READ_SECONDS = 0.1
RETRY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """What one stream watches.

    Attributes:
        admin: the Envoy's admin interface.
        entry: where probes enter; None where there is no way in that reaches all listeners, and nothing is proven.
        listeners: the names of the listeners before the versions; one without a name stands for all there is.
    """

    admin: tuple[str, int]
    entry: tuple[str, int] | None
    listeners: Sequence[str]


class Watch:
    """A stream and the thread that reads it.

    Args:
        seen: takes each exchange that is no probe.
        gap: takes a listener, two times and a reason: what passed there between the two may have been missed.
    """

    def __init__(self, place: Place, wanted: Wanted, seen: Callable[[Traced], None], gap: Callable[[str, float, float, str], None]) -> None:
        self._place = place
        self._wanted = wanted
        self._seen = seen
        self._gap = gap
        self._changed = threading.Condition()
        self._stopping = False
        self._failed: ShadowError | None = None
        self._stream: TapStream | None = None
        self._sent: dict[int, float] = {0: time.time()}
        self._number = 0
        self._shown: dict[str, int] = dict.fromkeys(place.listeners, 0)
        self._heard = time.monotonic()
        self._opened = 0
        self._ever: set[str] = set()
        self._trouble = ""
        self._beat = 0.0
        self._thread = threading.Thread(target=self._run, name="shadowdiff-tap", daemon=True)

    def start(self) -> None:
        """Open it, and return when a probe was seen before every version.

        Raises:
            SetupError: it was not, in time.
        """
        try:
            self._stream = self._open(START_SECONDS)
            self._thread.start()
            self._prove(START_SECONDS, START_SECONDS)
        except MirrorError as error:
            self.stop()
            raise SetupError(str(error)) from None
        except BaseException:
            self.stop()
            raise

    def settle(self) -> None:
        """Return when all that ended before this call was taken.

        Raises:
            MirrorError: the stream does not show what passes.
        """
        self._prove(SETTLE_SECONDS, LONGEST_SECONDS)

    def stop(self) -> None:
        """End it; safe to call twice."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._stream is not None:
            self._stream.close()

    def _prove(self, seconds: float, most: float) -> None:
        """Send a probe and wait until every listener has shown it: so long, and longer while the stream shows what came before it."""
        if self._place.entry is None:
            return
        begun, opened, number = time.monotonic(), -1, 0
        with self._changed:
            while True:
                if opened != self._opened:  # an earlier probe may have passed while there was no stream
                    opened, number = self._opened, self._probe()
                missing = [name for name, shown in self._shown.items() if shown < number]
                if not missing:
                    return
                if self._failed is not None:
                    raise MirrorError(str(self._failed))
                now = time.monotonic()
                if now - begun > most or now > max(begun + seconds, self._heard + SILENCE_SECONDS):
                    raise MirrorError(self._blind([name for name in missing if name not in self._ever] or missing))
                self._changed.wait(BEAT_SECONDS)

    def _blind(self, missing: Iterable[str]) -> str:
        admin, entry = self._place.admin, self._place.entry
        where = f"{entry[0]}:{entry[1]}" if entry else "nowhere"
        return (
            f"The tap sees nothing before {', '.join(name or 'the version' for name in missing)}: of {self._number} probes that entered at "
            f"{where} with {marks.RUN}: {self._wanted.run_id}, none was shown there by POST /tap at {admin[0]}:{admin[1]} lately. "
            f"{self._trouble or 'Is that listener not reached?'}"
        )

    def _probe(self) -> int:
        """Send one through the mirror; its number."""
        with self._changed:
            self._number = number = self._number + 1
            self._sent[number] = time.time()
            self._beat = time.monotonic()
        probe(self._place.entry or ("", 0), number, self._wanted.run_id)
        return number

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._pass()
        except ShadowError as error:
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    def _pass(self) -> None:
        try:
            objects = self._stream.read(READ_SECONDS) if self._stream else None
            for found in objects or ():
                self._take(traced(found))
        except MirrorError as error:
            self._again(str(error))
            return
        if objects is not None:
            self._heard = time.monotonic()
        if self._place.entry is None:
            return
        lost = self._lost()
        if lost:
            self._again(lost)
        elif time.monotonic() - self._beat > BEAT_SECONDS:
            self._probe()

    def _take(self, trace: Traced) -> None:
        if not trace.probe:
            self._seen(trace)
            return
        if trace.probe.isdecimal():
            with self._changed:
                name = trace.listener if trace.listener in self._shown else next(iter(self._shown))
                self._ever.add(name)
                self._shown[name] = max(self._shown[name], int(trace.probe))
                for number in [number for number in self._sent if number < min(self._shown.values())]:
                    del self._sent[number]
                self._changed.notify_all()

    def _lost(self) -> str:
        """Why the stream is not to be trusted any longer; empty while it is."""
        with self._changed:
            least, most = min(self._shown.values()), max(self._shown.values())
            waited = time.time() - self._sent.get(least + 1, time.time())
        silent = time.monotonic() - self._heard
        if waited > SILENCE_SECONDS and silent > SILENCE_SECONDS:
            return f"the tap stream showed nothing for {silent:.1f} s although probes passed"
        if most - least > BEHIND and waited > SILENCE_SECONDS:
            return "the tap stream no longer shows one of the listeners"
        return ""

    def _again(self, reason: str) -> None:
        """Open the stream anew, and name what may have been missed."""
        with self._changed:
            since = {name: self._sent.get(shown, 0.0) or min(self._sent.values()) for name, shown in self._shown.items()}
        if self._stream is not None:
            self._stream.close()
        self._stream = self._open(REOPEN_SECONDS)
        until = time.time()
        self._heard = time.monotonic()
        with self._changed:
            self._opened += 1
            self._sent = {self._number: until}
            self._shown = dict.fromkeys(self._shown, self._number)
        for name, begun in since.items():
            self._gap(name, begun, until, reason)

    def _open(self, seconds: float) -> TapStream:
        """A stream, as soon as Envoy gives one: it has one at a time, and notices late that ours has ended."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return TapStream(self._place.admin, self._wanted)
            except (MirrorError, SetupError) as error:
                self._trouble = str(error)
                if self._stopping or time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_SECONDS)


def grouped(points: Mapping[str, tuple[tuple[str, int], tuple[str, int] | None, str]]) -> dict[Place, dict[str, str]]:
    """One place for each Envoy, with the role behind each listener's name.

    Args:
        points: by role, the admin interface, the entry, and the listener's name.
    """
    found: dict[tuple[tuple[str, int], tuple[str, int] | None], dict[str, str]] = {}
    for role, (admin, entry, listener) in points.items():
        found.setdefault((admin, entry), {})[listener] = role
    return {Place(admin, entry, tuple(roles)): roles for (admin, entry), roles in found.items()}
