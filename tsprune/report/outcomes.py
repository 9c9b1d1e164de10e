"""What may be said of each row of a table of differences, and how often it is said: counts for all studies."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.frames import need
from tsprune.report.tables import styled
from tsprune.report.text import signed

BETTER, WORSE, NOISE, ONE_SEED, LOST = "better", "worse", "within the noise", "one seed: no claim", "no result"

OUTCOMES = (BETTER, WORSE, NOISE, ONE_SEED, LOST)


def outcomes(differences: pd.DataFrame) -> pd.Series:
    """One of OUTCOMES per row, by its columns ``relative``, ``clear`` and ``seeds``.

    A difference is better or worse where it is ``clear`` of zero, which a single seed never is. Raises UserError for a
    missing column.
    """
    for column in ("relative", "clear", "seeds"):
        if column not in differences:
            raise UserError(f"table of differences: column '{column}' is missing")
    relative, seeds = differences["relative"].to_numpy(float), differences["seeds"].to_numpy(float)
    clear = differences["clear"].to_numpy(bool)
    cases = [np.isnan(relative), seeds < 2, clear & (relative < 0), clear & (relative > 0)]
    found = np.select(cases, [LOST, ONE_SEED, BETTER, WORSE], NOISE).astype(object)
    return pd.Series(found, index=differences.index, dtype=object)


def known_outcomes(differences: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The differences that can be spoken of, as they have a number and more than one seed, and their :func:`outcomes`:
    BETTER, WORSE or NOISE."""
    found = outcomes(differences)
    known = ~found.isin([LOST, ONE_SEED])
    return differences[known], found[known]


def furthest(differences: pd.DataFrame) -> pd.Series:
    """The row of the largest difference, whatever its sign; the table has rows."""
    return differences.iloc[int(differences["relative"].abs().to_numpy().argmax())]


def counts_table(groups: Mapping[str, pd.DataFrame], caption: str, names: Mapping[str, str] | None = None) -> Styler:
    """How many rows of each group of differences came out how, and the largest difference that may be claimed, with its
    ``model`` where the rows have one; ``names`` says what a study calls an outcome.

    Raises UserError where there is no group.
    """
    called = dict(zip(OUTCOMES, OUTCOMES, strict=True)) | dict(names or {})
    rows = {}
    for label, rows_of in groups.items():
        found = outcomes(rows_of)
        counts = found.value_counts()
        rows[label] = {called[name]: int(counts.get(name, 0)) for name in OUTCOMES} | {"of": len(rows_of)}
        rows[label]["largest claimed"] = _largest(rows_of[found.isin([BETTER, WORSE])])
    table = need(pd.DataFrame(list(rows.values()), index=pd.Index(list(rows))), "counts", [])
    rare = [called[name] for name in (ONE_SEED, LOST) if not table[called[name]].any()]
    return styled(table.drop(columns=rare).astype(str), caption)


def _largest(claimed: pd.DataFrame) -> str:
    if claimed.empty:
        return "no claim"
    row = furthest(claimed)
    return signed(row["relative"]) + (f" ({row['model']})" if "model" in row else "")
