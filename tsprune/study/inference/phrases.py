"""Words of study 06 for forms, batch sizes, speeds and shares: for its sentences, tables and figures."""

import pandas as pd

from tsprune.report.text import NBSP, between, counted, percent
from tsprune.study.inference.result import DENSE, NARROW, ZEROS


def form_text(form: str, share: float) -> str:
    """A form for people: ``dense``, ``zeros, density 0.1``, ``widths x 0.5``."""
    words = {DENSE: "dense", ZEROS: f"zeros, density {share:g}", NARROW: f"widths x {share:g}"}
    return words[form]


def windows(batch: float) -> str:
    """``1 window``, ``32 windows``."""
    return counted(batch, "window")


def spread(values: pd.Series) -> str:
    """From the smallest to the largest, to a tenth."""
    return between(f"{values.min():.1f}", f"{values.max():.1f}")


def faster(rows: pd.DataFrame) -> str:
    """How many times as fast, from the slowest to the fastest of ``rows``: one that is not known to a tenth counts with
    both ends of its 95 % interval."""
    known = rows["trouble"].isna()
    ends = [rows["speedup"].where(known, rows[end]) for end in ("speedup_low", "speedup_high")]
    return spread(pd.concat(ends))


def percents(values: pd.Series) -> str:
    """From the smallest share to the largest, in percent."""
    return between(percent(values.min()), percent(values.max()), f"{NBSP}%")
