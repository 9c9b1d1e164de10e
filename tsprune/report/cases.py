"""The cases that a study's figures set side by side: a case is a model and a horizon."""

import pandas as pd

CASE = ["model", "pred_len"]
"""The columns that say which case a row is of."""


def cases(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """Every model and horizon of ``frame``, in its order."""
    return list(frame[CASE].drop_duplicates().itertuples(index=False, name=None))


def of_case(frame: pd.DataFrame, model: str, pred_len: int) -> pd.DataFrame:
    """The rows of one model and horizon."""
    return frame[(frame["model"] == model) & (frame["pred_len"] == pred_len)]


def case_title(frame: pd.DataFrame, model: str, pred_len: int) -> str:
    """What a panel of one model and horizon is called: the horizon is named where ``frame`` has several."""
    return model if frame["pred_len"].nunique() == 1 else f"{model} · horizon {pred_len}"
