"""What more than one part of study 01's words needs."""

from collections.abc import Sequence

import pandas as pd

from tsprune.report.text import listed, percent

NAMED = 3
"""At most so many models or scores are named one by one; of more, the ends or their number."""


def from_to(shares: pd.Series) -> str:
    """The ends of ``shares`` by model with their models, as ``12 % (**A**) to 64 % (**B**)``; there are two or more."""
    least, most = shares.idxmin(), shares.idxmax()
    return f"{percent(shares[least])} (**{least}**) to {percent(shares[most])} (**{most}**)"


def alike(known: pd.DataFrame) -> list[int]:
    """Horizons that models may be compared over, from the models and horizons that are ``known``: that of most models,
    the first of several, and every other of the same models. A mean over more would be over other horizons for each."""
    models = {pred_len: set(own["model"]) for pred_len, own in known.groupby("pred_len")}
    most = max(models.values(), key=len, default=set())
    return [pred_len for pred_len, own in models.items() if own == most]


def at_horizons(at: list[int], cells: pd.DataFrame) -> str:
    """`` at horizon 24``, where ``cells`` have more."""
    if len(at) >= cells["pred_len"].nunique():
        return ""
    return f" at horizon{'s' if len(at) > 1 else ''} {listed([str(value) for value in at])}"


def of_seeds(known: int, seeds: int) -> str:
    """``1 of 2 seeds`` where not all are known, else nothing."""
    return f"{known} of {seeds} seeds" if known < seeds else ""


def in_brackets(text: str) -> str:
    """``text`` in brackets, to follow a name; empty if it is empty."""
    return f" ({text})" if text else ""


def sentences(parts: Sequence[str]) -> str:
    """Each of ``parts`` as a sentence; empty where there is none."""
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in parts)
