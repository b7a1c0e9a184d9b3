"""What varies by itself, and what it looks like. Nothing is decided here: the judge decides.

A request's answers, the primary's and the candidate's, are laid beside each other as *series*, one for each place where any
two of them differ. Where the primary is constant, a difference is a difference. Where it varies, what varies is given a shape
(a UUID of a version, a time of a format, a number in a range, a set of values, a permutation), and the candidate is held to it.
"""

from __future__ import annotations

from pytest_shadowdiff.noise.evidence import Evidence
from pytest_shadowdiff.noise.opinions import Answer, Opinions
from pytest_shadowdiff.noise.series import PATIENT, STEADY, Opinion

__all__ = ["PATIENT", "STEADY", "Answer", "Evidence", "Opinion", "Opinions"]
