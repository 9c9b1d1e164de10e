"""The first paper's own protocol in words: what it leaves of a model, and where it stops."""

from collections.abc import Sequence

import pandas as pd

from tsprune.report.frames import finished, need
from tsprune.report.status import NOT_RUN
from tsprune.report.text import between, bold, density_text, listed, on_data, percent
from tsprune.study.pruning_sweep.result import AUTHORS, AUTHORS_COLUMNS, ENDS, SOLVED
from tsprune.study.pruning_sweep.words.common import alike, at_horizons, from_to


def authors(authors: pd.DataFrame) -> str:
    """What the first paper's protocol leaves of all parameters, as Markdown; Fourier weights, which it never prunes,
    where a model has them. Raises UserError for an empty table or a missing column."""
    need(authors, "authors", AUTHORS_COLUMNS)
    done = finished(authors)
    done = done[(done["protocol"] == AUTHORS) & (done["density_asked"] < 1)]
    if done.empty:
        return f"{on_data(authors['dataset'])}, the first paper's protocol {_no_result(authors)}."
    lowest = done[done["density_asked"] == done["density_asked"].min()]
    at = alike(lowest)
    lowest = lowest[lowest["pred_len"].isin(at)]
    left = lowest.groupby("model", sort=False)["density_all"].mean()
    asked = density_text(lowest["density_asked"].iloc[0])
    told = f"{on_data(authors['dataset'])}, the first paper's protocol, asked for density {asked},"
    first = f"{told} leaves {_left(left)}{at_horizons(at, authors)}."
    details = []
    for model, share in lowest.groupby("model", sort=False)["fourier"].mean().items():
        if share > 0:
            more = ", more than half" if share > 0.5 else ""
            details.append(
                f"In **{model}** the Fourier weights, which it never prunes, are {percent(share)} of all "
                f"parameters{more}: no density goes below that."
            )
    details.append("Its density counts linear maps and convolutions only; ours counts every weight.")
    return f"{first}\n\n" + " ".join(details)


def ends(ends: pd.DataFrame) -> str:
    """Where the first paper's structured pruning stops when it is asked for everything, as Markdown, and how that
    differs from pruning that is told a share. Raises UserError for an empty table or a missing column."""
    need(ends, "ends", ENDS)
    theirs = ends[(ends["protocol"] == AUTHORS) & (ends["asked"] < 1)]
    halted = theirs.loc[theirs["reason"].notna() & (theirs["status"] != NOT_RUN), "model"].unique()
    on_the_way = finished(theirs)
    whole = on_the_way[~on_the_way["model"].isin(halted)]
    told = f"{on_data(ends['dataset'])}, the first paper's structured pruning, asked to remove every channel,"
    waiting = [model for model, own in theirs.groupby("model", sort=False) if (own["status"] == NOT_RUN).all()]
    details = [_asked_and_left(on_the_way), _told_a_share(ends), _halted(halted)]
    if whole.empty:
        first = f"{told} {'does not finish' if len(halted) else _no_result(theirs)}."
    else:
        at = alike(whole)
        last = whole.loc[whole.groupby(["model", "pred_len", "seed"], sort=False)["asked"].idxmin()]
        last = last[last["pred_len"].isin(at)]
        by_model = last.groupby("model", sort=False)
        first = f"{told} stops at {_left(by_model['density_all'].mean())}{at_horizons(at, ends)}."
        rise = by_model["mse_relative"].mean()
        times = between(f"{rise.min():.2f}", f"{rise.max():.2f}")
        details.append(_waiting(waiting))
        details.insert(0, f"There its error is {times} times that of dense.")
    return f"{first}\n\n" + " ".join(detail for detail in details if detail)


def _no_result(rows: pd.DataFrame) -> str:
    """Why nothing can be said; ``rows`` may hold dense models too, which have run."""
    return "has not run yet" if (rows["status"] == NOT_RUN).any() else "has no result"


def _left(shares: pd.Series) -> str:
    """What is left of all parameters, by model."""
    if len(shares) == 1:
        return f"{percent(shares.iloc[0])} of **{shares.index[0]}**, all parameters counted"
    return f"{from_to(shares)} of all parameters"


def _asked_and_left(theirs: pd.DataFrame) -> str:
    """What is left halfway, or as near to it as any step comes."""
    if theirs.empty:
        return ""
    middle = theirs.loc[(theirs["asked"] - 0.5).abs().idxmin(), "asked"]
    halfway = theirs[theirs["asked"] == middle]
    halfway = halfway[halfway["pred_len"].isin(alike(halfway))]
    left = halfway.groupby("model", sort=False)["density_all"].mean()
    return f"Its steps count channels: asked to keep {percent(middle)} of them, it keeps {_left(left)}."


def _told_a_share(ends: pd.DataFrame) -> str:
    solved = finished(ends[(ends["protocol"] == SOLVED) & (ends["asked"] < 1)])
    if solved.empty:
        return ""
    asked = listed([percent(share) for share in sorted(solved["asked"].unique(), reverse=True)])
    off = 100 * (solved["density_all"] - solved["asked"]).abs().max()
    return (
        f"Ours is asked for a share of the parameters, here {asked}, and ends at most {off:.1f} percentage points off."
    )


def _halted(models: Sequence[str]) -> str:
    return f"torch-pruning does not finish on {bold(models)}, see the table." if len(models) else ""


def _waiting(models: Sequence[str]) -> str:
    return f"It has not run yet on {bold(models)}." if models else ""
