"""Exchanges on disk, in append-only segments: what a tap saw goes in, what a run judges comes out.

Nothing is compared here, and nothing that a writer does waits for a reader.
"""

from __future__ import annotations

from pytest_shadowdiff.spool.events import Event, Gap, Opened, Routed, Seen, Skipped
from pytest_shadowdiff.spool.reader import Reader
from pytest_shadowdiff.spool.writer import Writer

__all__ = ["Event", "Gap", "Opened", "Reader", "Routed", "Seen", "Skipped", "Writer"]
