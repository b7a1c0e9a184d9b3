"""Everything that pytest-shadowdiff raises on purpose.

    ShadowError                 anything of ours; the message says what, where, and what next
    ├── SettingsError           an option or the configuration is wrong: exit status 4, before any test
    ├── SetupError              a version, mirror or tap could not be brought up
    │   └── TargetError         a version did not start, died, or never answered
    ├── MirrorError             the mirror stopped doing its work in the middle of a run
    ├── SpoolError              what was seen cannot be written or read
    └── IncompleteError         two responses cannot be compared; `reason` says why

    ShadowDifference            an AssertionError: the candidate means something else

A caller can do one thing about each: mend the configuration, mend the environment, look at the
mirror, free the disk, raise a limit, or mend the candidate.
"""

from __future__ import annotations


class ShadowError(Exception):
    """Base of all errors that this package raises on purpose."""


class SettingsError(ShadowError):
    """An option or the configuration is wrong: place, value, what is allowed, the nearest name."""


class SetupError(ShadowError):
    """A version, a mirror or a tap could not be brought up."""


class TargetError(SetupError):
    """A version did not start, ended, or never answered; carries its last lines of output."""


class MirrorError(ShadowError):
    """The mirror, or the tap, stopped doing its work in the middle of a run."""


class SpoolError(ShadowError):
    """What was seen cannot be written, or what was written cannot be read."""


class IncompleteError(ShadowError):
    """Two responses cannot be compared, so no verdict is possible.

    Attributes:
        reason: one line, for the report's `reason`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ShadowDifference(AssertionError):
    """The candidate answered something that means something else than the primary's answer."""
