"""How the relay reaches the versions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from pytest_shadowdiff.model import Upstream  # the relay's process reads the annotations


@dataclass(frozen=True, slots=True)
class Routing:
    """How the relay reaches the versions, as a mirror lays it.

    Attributes:
        primary: where callers' requests go (for a mirror that is not the relay itself: the mirror's entry).
        copy: where the relay sends the copy itself; None where the mirror copies elsewhere.
        ask_primary: where the control, and whatever is asked again, goes.
        ask_candidate: where the candidate is asked again; None where there is no candidate.
        control: a third target that gets each safe request as well; None where there is none.
        marked: requests carry `x-shadowdiff-id` and `x-shadowdiff-run`, since somebody else's tap reads them.
        authority: the Host by which a mesh's routes know the versions; what an answer says of it, it says of the entry.
        records: the sides whose exchanges the relay writes into the spool; the others come from a tap.
    """

    primary: Upstream
    copy: Upstream | None
    ask_primary: Upstream
    ask_candidate: Upstream | None
    control: Upstream | None = None
    marked: bool = False
    authority: str = ""
    records: frozenset[str] = frozenset({"primary", "candidate", "control"})

    @classmethod
    def behind(cls, way: Callable[[str], Upstream], sides: Collection[str], authority: str = "") -> Routing:
        """Through an Envoy of ours, which copies what is marked, and whose tap sees all.

        Args:
            way: a side, or nothing for the way of callers -> how the Envoy is reached for it.
            sides: the roles that there are.
            authority: as the attribute.
        """
        return cls(
            primary=way(""),
            copy=None,
            ask_primary=way("primary"),
            ask_candidate=way("candidate") if "candidate" in sides else None,
            control=way("control") if "control" in sides else None,
            marked=True,
            authority=authority,
            records=frozenset(),
        )
