"""What people see in their terminal: a test's failure, and the summary of a run."""

from __future__ import annotations

from pytest_shadowdiff.report.failure import View, failure, failure_lines
from pytest_shadowdiff.report.overview import summary_lines

__all__ = ["View", "failure", "failure_lines", "summary_lines"]
