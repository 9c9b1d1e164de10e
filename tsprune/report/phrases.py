"""What the verdicts and tables of all studies say alike: which run, which models, what differs, what is missing."""

from collections.abc import Iterable, Mapping

import pandas as pd

from tsprune.report.frames import NBSP, listed


def where(cells: pd.DataFrame) -> str:
    """``On ETTh1 (horizons 96 and 192, 2 seeds)``: data, horizons, and the seeds that finished."""
    horizons = [str(value) for value in sorted(cells["pred_len"].unique())]
    of = f"horizon{'s' if len(horizons) > 1 else ''} {listed(horizons)}"
    return f"On {listed([str(name) for name in cells['dataset'].unique()])} ({of}, {seeds_text(cells)})"


def seeds_text(cells: pd.DataFrame) -> str:
    """``2 seeds`` or ``one seed``, of the cells that finished."""
    count = cells.loc[cells["status"] == "ok", "seed"].nunique()
    return f"{count} seeds" if count > 1 else "one seed"


def spread_text(cells: pd.DataFrame) -> str:
    """What a table's numbers are, for its caption."""
    text = seeds_text(cells)
    return text if text == "one seed" else f"mean ± standard deviation over {text}"


def bold(names: Iterable[str]) -> str:
    """``**A**, **B**, and **C**``, each once."""
    return listed([f"**{name}**" for name in dict.fromkeys(names)])


def number(share: float) -> str:
    """A relative difference in percent without the sign for it, with a decimal below ten: ``+5.1``, ``−14``."""
    percents = 100 * share
    return f"{percents:+.{1 if abs(percents) < 9.95 else 0}f}".replace("-", "−")


def signed(share: float) -> str:
    return f"{number(share)}{NBSP}%"


def amount(share: float) -> str:
    """:func:`signed` without the sign."""
    return signed(abs(share)).removeprefix("+")


def ends(row: Mapping) -> str:
    """The interval of a difference, in percent: ``+3.0 to +7.2``."""
    return f"{number(row['low'])} to {number(row['high'])}"


def interval(row: Mapping) -> str:
    """``+5.1 % (+3.0 to +7.2)``, of a difference that is known."""
    return "no result" if pd.isna(row["relative"]) else f"{signed(row['relative'])} ({ends(row)})"


def interval_words(differences: pd.DataFrame) -> str:
    """What the intervals in ``differences`` rest on, for a caption."""
    seeds = int(differences["seeds"].max())
    if seeds < 2:
        return "One seed: intervals over the test windows alone, no claim."
    return f"Intervals: 95{NBSP}%, over the test windows and the {seeds} seeds run; another seed may lie outside."


def unfinished(cells: pd.DataFrame) -> str:
    """``3 of 66 cells did not finish (**Transformer** 2 diverged, **DLinear** 1 failed)``; empty where all did."""
    bad = cells[cells["status"] != "ok"]
    if bad.empty:
        return ""
    counts = bad.groupby(["model", "status"], sort=False).size()
    named = ", ".join(f"**{model}** {count} {status}" for (model, status), count in counts.items())
    return f"{len(bad)} of {len(cells)} cells did not finish ({named})"


def left_out(cells: pd.DataFrame) -> str:
    """:func:`unfinished` as a sentence of a verdict."""
    return f"{missing} and are left out." if (missing := unfinished(cells)) else ""
