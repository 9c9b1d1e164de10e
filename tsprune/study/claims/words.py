"""The answer of study 07 in words."""

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.text import bold, listed
from tsprune.study.claims.result import (
    CANNOT,
    CLAIM_COLUMNS,
    CODE,
    DOES_NOT,
    FIELD,
    HOLDS,
    IN_PART,
    OURS,
    PAPERS,
    SIZES,
    SMALL,
    VERDICTS,
)

BREAK = "  \n"
"""Of lines in Markdown."""

_OTHERS = {FIELD: "Of the benchmark itself", OURS: "Beside the papers", CODE: "Of what the code of PALS does"}


def verdict(claims: pd.DataFrame) -> str:
    """How many of the papers' claims hold at their own size, what that means for whoever has a forecaster, which do
    not, and what becomes of them in small models, as Markdown. Raises UserError for a missing column."""
    need(claims, "claims", CLAIM_COLUMNS)
    theirs = claims[~claims["paper"].isin(_OTHERS)]
    first = _counted(theirs[theirs["size"] == PAPERS], f"Of {theirs['claim'].nunique()} claims of the two papers")
    lines = [f"{first} at the papers' size (d_model 512; {_data(theirs)})."]
    if short := in_short(claims):  # in italics, which the page shows at once
        lines.append(f"*In short:{''.join(f'{BREAK}• {item}.' for item in short)}*")
    for word in (HOLDS, DOES_NOT, IN_PART):
        own = theirs[(theirs["size"] == PAPERS) & (theirs["verdict"] == word)]
        lines += [f"- {bold([word.capitalize()])}: {row['says']} ({row['basis']})." for row in own.to_dict("records")]
    lines.append(_counted(theirs[theirs["size"] == SMALL], "Among small models") + ".")
    turned = _turned(theirs)
    if len(turned):
        lines.append("The verdict depends on the size: " + "; ".join(turned) + ".")
    others = claims[claims["paper"].isin(_OTHERS) & (claims["verdict"] != CANNOT)]
    lines += [
        f"{_OTHERS[row['paper']]}: {row['says']}, {row['size']}: {row['verdict']} ({row['basis']})."
        for row in others.to_dict("records")
    ]
    return "\n\n".join(_lists(lines))


_IN_SHORT = {
    "half-elsewhere": "Removing about half of the weights without retraining changes the MSE of later forecasters "
    "by {}",
    "half-is-safe": "Removing about half of the weights that the first paper's code counts changes the MSE of its five "
    "forecasters by {}",
    "tuning-restores": "Fine-tuned with 11 % of its weights, a Transformer-based forecaster differs in MSE by {} from "
    "the dense one trained as long",
    "zeros-no-faster": "In eager PyTorch on one CPU thread, zeros among the weights give {} the dense speed at 3 "
    "windows",
    "zeros-academic": "On one CPU thread, a kernel that skips zeros gives {} the best dense speed in float32 at 3 "
    "windows, with a tenth of the weights",
    "faster-in-onnx": "In ONNX Runtime on one CPU thread, layers with a seventh of the multiply-adds or fewer keep {} "
    "of the speedup that this promises at 3 windows",
}
"""What a user with a forecaster asks first (can it be pruned, how far, what is gained), with the claims that hold the
numbers."""


def in_short(claims: pd.DataFrame) -> list[str]:
    """What the rows at the papers' size found: the median case, and the lowest and the highest; empty where none is
    known."""
    found = claims[(claims["size"] == PAPERS) & (claims["cases"] > 0)].set_index("claim")
    return [
        sentence.format(found.loc[name, "middle"]) + found.loc[name, "ends"]
        for name, sentence in _IN_SHORT.items()
        if name in found.index
    ]


def at_papers_size(claims: pd.DataFrame, page: str) -> str:
    """What becomes at the papers' size of the claims that ``page`` is about, as Markdown: a sentence, with a
    list after it where they are several: those that can be judged or, where none can, that rows speak to at all; empty
    where there is none."""
    need(claims, "claims", CLAIM_COLUMNS)
    own = claims[(claims["size"] == PAPERS) & ((claims["page"] == page) | (claims["also"] == page))]
    judged = own[own["verdict"] != CANNOT]
    clear = (own[own["cases"] > 0] if judged.empty else judged).to_dict("records")
    said = [f"{row['says']}: {bold([row['verdict']])} ({row['basis']}; {row['seeds']})" for row in clear]
    where = "At the papers' size (d_model 512, rows that ship with the project)"
    if len(said) < 2:
        return "".join(f"{where}: {one}." for one in said)
    counted = _counted(own, f"{where}, of {len(own)} claims that this page is about")
    lines = [f"- {one}: {row['here']}" for one, row in zip(said, clear, strict=True)]
    if left := len(own) - len(clear):
        which = left if left > 1 else "one"
        lines.append(f"The other {which} cannot be judged yet; the page of claims has all of them.")
    return "\n\n".join(_lists([f"{counted}.", *lines]))


def summary(claims: pd.DataFrame) -> str:
    """How many claims hold at the papers' size, and those that can be judged as a table, in Markdown."""
    need(claims, "claims", CLAIM_COLUMNS)
    own = claims[claims["size"] == PAPERS]
    lines = []
    if short := in_short(claims):
        lines += ["In short:", "", *(f"- {item}." for item in short), ""]
    lines += [f"{_counted(own, f'Of {len(own)} claims')}. The data: {_data(own)}.", ""]
    lines += ["| claim | whose | at the papers' size | found |", "|---|---|---|---|"]
    for row in own[own["verdict"] != CANNOT].to_dict("records"):
        lines.append(f"| {row['says']} | {row['paper']} | **{row['verdict']}**: {row['basis']} | {row['here']} |")
    return "\n".join(lines)


def _data(claims: pd.DataFrame) -> str:
    """The datasets of the cases at the papers' size."""
    own = claims.loc[claims["size"] == PAPERS, "datasets"]
    return listed(sorted({name for text in own for name in text.split(", ") if name})) or "none yet"


def _counted(claims: pd.DataFrame, of: str) -> str:
    counts = claims["verdict"].value_counts()
    many = {HOLDS: "hold", IN_PART: "hold in part", DOES_NOT: "do not hold", CANNOT: "cannot be judged yet"}
    one = {word: word for word in VERDICTS} | {CANNOT: many[CANNOT]}
    said = [f"{counts[word]} {(one if counts[word] == 1 else many)[word]}" for word in VERDICTS if word in counts]
    return f"{of}, {listed(said)}"


def _turned(claims: pd.DataFrame) -> list[str]:
    """Claims whose verdict is another at the papers' size than in small models, where both have one; without two cases
    in both it may be the cases that differ, and not their size that decides."""
    found = []
    for _, own in claims.groupby("claim", sort=False):
        by = own.set_index("size")
        small, large = (by.loc[size, "verdict"] for size in reversed(SIZES))
        if small != large and CANNOT not in (small, large):
            row = by.loc[PAPERS]
            cause = "" if row["grown"] else " (models or data differ, so size need not be the cause)"
            found.append(f"“{row['says']}” {small} there, and {large} at the papers' size{cause}")
    return found


def _lists(lines: list[str]) -> list[str]:
    """Items of a list under each other, paragraphs apart."""
    parts: list[str] = []
    for line in lines:
        if parts and line.startswith("- ") and parts[-1].startswith("- "):
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return parts
