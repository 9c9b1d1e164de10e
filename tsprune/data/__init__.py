"""Datasets: catalogue, files, cleaning, calendar features, splits and windows.

Everything but the windows works without torch, which is imported when one of their names is asked for.
"""

from typing import Any

from tsprune.data.catalog import CATALOG, Entry, SplitRule
from tsprune.data.datasets import Check, check_dataset, is_path, list_datasets, load_table
from tsprune.data.sources import DataUnavailable, fetch_dataset
from tsprune.data.table import Table

_NEED_TORCH = ("Batch", "Splits", "Windows", "make_splits", "window_starts")

__all__ = [
    "CATALOG",
    "Batch",
    "Check",
    "DataUnavailable",
    "Entry",
    "SplitRule",
    "Splits",
    "Table",
    "Windows",
    "check_dataset",
    "fetch_dataset",
    "is_path",
    "list_datasets",
    "load_table",
    "make_splits",
    "window_starts",
]


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module 'tsprune.data' has no attribute '{name}'")
    from tsprune.data import windows

    return getattr(windows, name)
