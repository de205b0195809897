"""The tables of a report, in the order they are shown."""

from __future__ import annotations

from importlib import import_module

from reports.data import ReportData
from reports.table import Table

TABLES: dict[str, str] = {
    "honest": "reports.tables.honest:honest",
    "requirements": "reports.tables.honest:requirements",
    "operating_points": "reports.tables.thresholds:operating_points",
    "threshold_transfer": "reports.tables.thresholds:threshold_transfer",
    "ranking": "reports.tables.honest:ranking",
    "localisation": "reports.tables.honest:localisation",
    "repeats": "reports.tables.repeats:repeats",
    "repeats_by_rule": "reports.tables.repeats:repeats_by_rule",
    "comparisons": "reports.tables.compared:comparisons",
    "splits": "reports.tables.provenance:splits",
    "jobs": "reports.tables.provenance:jobs",
    "parameters": "reports.tables.provenance:parameters",
    "environment": "reports.tables.provenance:environment",
}


def make_table(name: str, data: ReportData) -> Table:
    """Return one table; it may have no rows."""
    module, function = TABLES[name].split(":")
    table: Table = getattr(import_module(module), function)(data)
    return table


def all_tables(data: ReportData) -> dict[str, Table]:
    """Return the tables that have rows, in order."""
    made = {name: make_table(name, data) for name in TABLES}
    return {name: table for name, table in made.items() if table.rows}
