"""What a study's result tells the runner of its notebook, and whoever makes a page of it: how many cells failed, and
how many have not run yet."""

from collections.abc import Iterable, Mapping

import pandas as pd

NOT_RUN = "not run"
"""State of a cell whose step was not begun, for want of time; the next run may have it."""

STATUS_MIME = "application/vnd.tsprune.status+json"
"""Media type of it: ``{"cells": 120, "failures": 3, "not_run": 40}``."""


def failed(states: pd.Series) -> int:
    """How many ended without a result. A model that torch-pruning breaks is one."""
    return int((~states.isin(["ok", "broken", NOT_RUN])).sum())


def not_run(states: pd.Series) -> int:
    """How many have not run yet."""
    return int((states == NOT_RUN).sum())


def reported(cells: Iterable[Mapping], count: str) -> int:
    """``failures`` or ``not_run`` of all studies in a notebook, by the outputs of its ``cells``."""
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return sum(output["data"][STATUS_MIME].get(count, 0) for output in outputs if STATUS_MIME in output.get("data", {}))
