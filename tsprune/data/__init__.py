"""Datasets: catalogue, files, cleaning, calendar features, splits and windows."""

from tsprune.data.catalog import CATALOG, Entry, SplitRule
from tsprune.data.sources import DataUnavailable
from tsprune.data.tables import Table, load_table
from tsprune.data.windows import Batch, Splits, Windows, make_splits

__all__ = [
    "CATALOG",
    "Batch",
    "DataUnavailable",
    "Entry",
    "SplitRule",
    "Splits",
    "Table",
    "Windows",
    "load_table",
    "make_splits",
]
