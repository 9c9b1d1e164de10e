"""Tables of study 07: a verdict per claim, and every case that it rests on."""

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.report.frames import need
from tsprune.report.tables import styled
from tsprune.study.claims.result import CASE_COLUMNS, CLAIM_COLUMNS, PAPERS, SIZES


def claims(claims: pd.DataFrame) -> Styler:
    """A row per claim: the verdict at each size and what it rests on, by how much the number differs between the sizes
    in the cases that both have, and where they are."""
    need(claims, "claims", CLAIM_COLUMNS)
    rows = {}
    for _, own in claims.groupby("claim", sort=False):
        first = own.iloc[0]
        by_size = {row["size"]: _verdict(row) for row in own.to_dict("records")}
        grown = own.loc[own["size"] == PAPERS, "grown"].iloc[0]
        beside = {"large less small": grown or "no two cases in both", "evidence": first["page"]}
        rows[first["says"]] = {size: by_size[size] for size in SIZES} | beside
    index = pd.Index(rows, name="claim")
    caption = (
        "A verdict per claim and size, and what it rests on; a case that is neither for nor against is unclear. Large "
        "less small: by how much what was measured lies higher at the papers' size, over the cases that both have."
    )
    return styled(pd.DataFrame(list(rows.values()), index=index), caption)


def found(claims: pd.DataFrame) -> Styler:
    """Whose claim it is, the paper's number, what was measured, from the lowest case to the highest, and why, per
    size."""
    need(claims, "claims", CLAIM_COLUMNS)
    rows: dict[tuple, dict[str, str]] = {}
    for row in claims[(claims["here"] != "") | (claims["size"] == SIZES[0])].to_dict("records"):
        first = (row["says"], SIZES[0]) not in rows
        told = {"the paper's number": f"{row['paper']}: {row['theirs']}", "found": row["here"], "why": row["why"]}
        rows[row["says"], row["size"]] = told if first else {name: "" for name in told} | {"found": row["here"]}
    index = pd.MultiIndex.from_tuples(rows, names=["claim", "size"])
    table = pd.DataFrame(list(rows.values()), index=index)
    return styled(table, "From the lowest case to the highest; a case is the mean over its seeds.")


def cases(cases: pd.DataFrame, claims: pd.DataFrame) -> Styler:
    """Every case: mean over the seeds, its 95 % interval, and how it came out."""
    need(claims, "claims", CLAIM_COLUMNS)
    says = dict(zip(claims["claim"], claims["says"], strict=True))
    shown = cases.reindex(columns=CASE_COLUMNS)
    names = shown[["size", "dataset", "model", "pred_len", "case"]].astype(str).agg(" ".join, axis=1)
    index = pd.MultiIndex.from_arrays([shown["claim"].map(says), names], names=["claim", "case"])
    columns = {"seeds": shown["seeds"].to_list(), "mean": [f"{value:.3g}" for value in shown["mean"]]}
    ends = zip(shown["low"], shown["high"], strict=True)
    columns |= {
        "95 % interval": [f"{low:.3g} to {high:.3g}" for low, high in ends],
        "speaks": shown["outcome"].to_list(),
    }
    return styled(pd.DataFrame(columns, index=index), "Ratios of errors are to one: 1.05 is 5 % above.")


def _verdict(row: dict) -> str:
    return f"{row['verdict']} ({row['basis']})" if row["cases"] else row["verdict"]
