"""What people see in their terminal: a test's failure, and the summary of a run."""

from __future__ import annotations

from pytest_shadowdiff.report.failure import View, failure
from pytest_shadowdiff.report.overview import summary_lines

__all__ = ["View", "failure", "summary_lines"]
