"""What more than one part of study 01's words needs."""

from collections.abc import Sequence

import pandas as pd

from tsprune.report.text import percent

NAMED = 3
"""At most so many models or scores are named one by one; of more, the ends or their number."""


def between(least: str, most: str) -> str:
    """``20 % to 59 %``, or the one text that both are."""
    return least if least == most else f"{least} to {most}"


def from_to(shares: pd.Series) -> str:
    """The ends of ``shares`` by model with their models, as ``12 % (**A**) to 64 % (**B**)``; there are two or more."""
    least, most = shares.idxmin(), shares.idxmax()
    return f"{percent(shares[least])} (**{least}**) to {percent(shares[most])} (**{most}**)"


def sentence(parts: Sequence[str]) -> str:
    """``parts`` as one sentence, empty where there is none."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
