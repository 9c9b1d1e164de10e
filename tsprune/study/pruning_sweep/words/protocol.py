"""The first paper's own protocol in words: what it leaves of a model."""

import pandas as pd

from tsprune.report.frames import finished, need
from tsprune.report.text import density_text, on_data, percent
from tsprune.study.pruning_sweep.result import AUTHORS, AUTHORS_COLUMNS


def authors(authors: pd.DataFrame) -> str:
    """What the first paper's protocol leaves of all parameters, as Markdown; Fourier weights, which it never prunes,
    where a model has them. Raises UserError for an empty table or a missing column."""
    need(authors, "authors", AUTHORS_COLUMNS)
    done = finished(authors)
    done = done[(done["protocol"] == AUTHORS) & (done["density_asked"] < 1)]
    if done.empty:
        return f"{on_data(authors['dataset'])}, the first paper's protocol has no result."
    lowest = done[done["density_asked"] == done["density_asked"].min()]
    left = lowest.groupby("model", sort=False)["density_all"].mean()
    asked = density_text(lowest["density_asked"].iloc[0])
    least, most = left.idxmin(), left.idxmax()
    reach = f"{percent(left[least])} (**{least}**) to {percent(left[most])} (**{most}**)"
    if len(left) == 1:
        reach = f"{percent(left[least])} of **{least}**"
    told = f"{on_data(authors['dataset'])}, the first paper's protocol, asked for density {asked}, leaves {reach}"
    first = told + (", all parameters counted." if len(left) == 1 else " of all parameters.")
    details = []
    for model, share in lowest.groupby("model", sort=False)["fourier"].mean().items():
        if share > 0:
            more = ", more than half" if share > 0.5 else ""
            details.append(
                f"In **{model}** the Fourier weights, which it never prunes, alone hold {percent(share)} of all "
                f"parameters{more}: no density goes below that."
            )
    details.append("Its density counts linear maps and convolutions only; ours counts every weight.")
    return f"{first}\n\n" + " ".join(details)
