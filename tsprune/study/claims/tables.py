"""Tables of study 07: a verdict per claim, and every case that it rests on."""

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.report.frames import need
from tsprune.report.tables import styled
from tsprune.report.text import NBSP
from tsprune.study.claims.result import CASE_COLUMNS, CLAIM_COLUMNS, PAPERS, SIZES, written


def claims(claims: pd.DataFrame) -> Styler:
    """A row per claim: the verdict at each size and what it rests on, by how much the number differs between the sizes
    in the cases that both have, and where they are."""
    need(claims, "claims", CLAIM_COLUMNS)
    rows = {}
    for _, own in claims.groupby("claim", sort=False):
        first = own.iloc[0]
        by_size = {row["size"]: _verdict(row) for row in own.to_dict("records")}
        grown = own.loc[own["size"] == PAPERS, "grown"].iloc[0]
        beside = {"large minus small": grown or "no two cases in both", "evidence": first["page"]}
        rows[first["says"]] = {size: by_size[size] for size in SIZES} | beside
    index = pd.Index(rows, name="claim")
    caption = (
        "A verdict per claim and size, and what it rests on; a case that is neither for nor against is unclear. Large "
        "minus small: how much higher the measured value is at the papers' size, over the cases that both have. "
        "Evidence: the pages with the rows; a verdict uses every seed there is, a page the seeds it asks for."
    )
    return styled(pd.DataFrame(list(rows.values()), index=index), caption)


def found(claims: pd.DataFrame) -> Styler:
    """Whose claim it is, the paper's number, what was measured, and why, per size."""
    need(claims, "claims", CLAIM_COLUMNS)
    rows: dict[tuple, dict[str, str]] = {}
    for row in claims[(claims["here"] != "") | (claims["size"] == SIZES[0])].to_dict("records"):
        first = (row["says"], SIZES[0]) not in rows
        told = {"the paper's number": f"{row['paper']}: {row['theirs']}", "found": row["here"], "why": row["why"]}
        rows[row["says"], row["size"]] = told if first else {name: "" for name in told} | {"found": row["here"]}
    index = pd.MultiIndex.from_tuples(rows, names=["claim", "size"])
    table = pd.DataFrame(list(rows.values()), index=index)
    caption = "Found: the median of the cases, with the lowest and the highest; a case is the mean over its seeds."
    return styled(table, caption)


def cases(cases: pd.DataFrame, claims: pd.DataFrame) -> Styler:
    """Every case: mean over the seeds, its 95 % interval, and how it came out."""
    need(claims, "claims", CLAIM_COLUMNS)
    says = dict(zip(claims["claim"], claims["says"], strict=True))
    units = dict(zip(claims["claim"], claims["unit"], strict=True))
    shown = cases.reindex(columns=CASE_COLUMNS)
    names = [_case(row) for row in shown.to_dict("records")]
    index = pd.MultiIndex.from_arrays([shown["claim"].map(says), names], names=["claim", "case"])
    unit = shown["claim"].map(units)
    mean, low, high = (
        [written(value, of) for value, of in zip(shown[name], unit, strict=True)] for name in ("mean", "low", "high")
    )
    columns = {"seeds": shown["seeds"].to_list(), "mean": mean}
    columns |= {
        f"95{NBSP}% interval": [f"{least} to {most}" for least, most in zip(low, high, strict=True)],
        "speaks": shown["outcome"].to_list(),
    }
    caption = "Each number is what its claim is about, in the words of “found”."
    return styled(pd.DataFrame(columns, index=index), caption)


def _case(row: dict) -> str:
    of = f", {row['case']}" if row["case"] else ""
    return f"{row['model']} on {row['dataset']}, horizon {row['pred_len']}{of}, {row['size']}"


def _verdict(row: dict) -> str:
    return f"{row['verdict']} ({row['basis']})" if row["cases"] else row["verdict"]
