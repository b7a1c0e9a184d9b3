"""Rules: what a team says of its own answers, checked where they are written. Nothing is compared here."""

from __future__ import annotations

from pytest_shadowdiff.rules.endpoints import matching
from pytest_shadowdiff.rules.reading import rule_from, rules_from
from pytest_shadowdiff.rules.selecting import Decision, Marks, Selection

__all__ = ["Decision", "Marks", "Selection", "matching", "rule_from", "rules_from"]
