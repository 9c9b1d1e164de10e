"""What a study's result tells the runner of its notebook, and whoever makes a page of it: how many cells failed."""

from collections.abc import Iterable, Mapping

STATUS_MIME = "application/vnd.tsprune.status+json"
"""Media type of it: ``{"cells": 120, "failures": 3}``."""


def unfinished(cells: Iterable[Mapping]) -> int:
    """How many cells of studies have no result, by the outputs of a notebook's ``cells``."""
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return sum(output["data"][STATUS_MIME]["failures"] for output in outputs if STATUS_MIME in output.get("data", {}))
