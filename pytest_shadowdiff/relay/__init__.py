"""The relay: everyone's entrance, in a process of its own. Nothing is decoded, compared or judged here.

`Relay` is the handle in pytest's process. A test that drives one:

    relay = Relay(routing, directory=spool, run_id="r1", timeout=10.0, limits=Limits())
    relay.start()
    url = relay.open_entry("tests/test_x.py::test_y")       # then any client against `url`
    relay.settle("tests/test_x.py::test_y")
    events = list(Reader(spool).events())                   # pytest_shadowdiff.spool
    relay.stop()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_shadowdiff.relay.routing import Routing

if TYPE_CHECKING:
    from pytest_shadowdiff.relay.handle import Relay

__all__ = ["Relay", "Routing"]


def __getattr__(name: str) -> object:
    if name == "Relay":
        from pytest_shadowdiff.relay.handle import Relay  # the relay's own process does without it

        return Relay
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
