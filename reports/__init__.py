"""Results in, tables and pictures out."""

from reports.registry import DESCRIPTIONS, REPORTS, write_report

__all__ = ["DESCRIPTIONS", "REPORTS", "write_report"]
