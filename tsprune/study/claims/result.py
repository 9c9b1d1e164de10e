"""What study 07 found: the columns that its figures, tables and words read."""

from dataclasses import dataclass

import pandas as pd

from tsprune.report.status import STATUS_MIME
from tsprune.report.text import NBSP, number, percent, signed
from tsprune.study.base.result import Findings

PAPERS, SMALL = "the papers' size", "small models"
SIZES = (PAPERS, SMALL)

FIELD, OURS, CODE = "the field", "this project", "the code of PALS"
"""Whose a claim is that neither paper makes."""

HOLDS, IN_PART, DOES_NOT, CANNOT = "holds", "holds in part", "does not hold", "cannot be judged yet"
VERDICTS = (HOLDS, IN_PART, DOES_NOT, CANNOT)

FOR, AGAINST, UNCLEAR = "for", "against", "unclear"

CLAIM_COLUMNS = [
    "claim",
    "paper",
    "says",
    "theirs",
    *("page", "also"),
    "unit",
    "size",
    "verdict",
    "basis",
    "seeds",
    "datasets",
    "cases",
    *(FOR, AGAINST, UNCLEAR),
    "here",
    *("middle", "ends"),
    "grown",
    "why",
]
CASE_COLUMNS = ["claim", "size", "dataset", "model", "pred_len", "case", "seeds", "mean", "low", "high", "outcome"]


def written(value: float, unit: str) -> str:
    """The number of a case: of a "ratio" the change that it is, of a "share" the percent, of a difference of shares the
    "points", of a "factor" with a cross."""
    if unit == "ratio":
        return signed(value - 1)
    if unit == "points":
        return f"{number(value)} points"
    return percent(value) if unit == "share" else f"{value:.1f}{NBSP}×"


@dataclass(frozen=True)
class ClaimsResult(Findings):
    """What became of each claim, at each size."""

    claims: pd.DataFrame
    """A row per claim and size: the ``verdict``, in words its ``basis`` and the ``seeds`` of a case, the cases, how
    many came out which way, in words what they found (``here``, with the numbers of the ``middle`` case and of the
    ``ends``), how that lies beside small models (``grown``), and what makes it so (``why``)."""
    cases: pd.DataFrame
    """A row per claim and case (a model on a dataset at a horizon, with one recipe): mean over the seeds with its 95 %
    interval, and whether that interval lies inside what is claimed (``for``), outside (``against``) or on its edge."""
    protocol: dict[str, str]
    """How verdicts are reached, and on which rows."""

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """One line for the reader, and for whoever runs the notebook: nothing is without a result, for a claim of which
        nothing can be said has its answer."""
        text = f"{len(self.claims)} verdicts on {len(self.cases)} cases"
        return {"text/plain": text, STATUS_MIME: {"cells": len(self.claims), "failures": 0, "not_run": 0}}
