"""What the verdicts of all studies say alike: at which size the models were run, which beat no naive forecast, and
what is known where no difference is clear."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from tsprune.report.status import NOT_RUN
from tsprune.report.text import NBSP, bold, listed, mean_text, number, percent, some_of
from tsprune.study.base.result import TOLERANCE

PAPER_WIDTH, PAPER_EPOCHS = 512, 10
"""d_model and epochs, at most, of both papers (arXiv 2412.12883, 2305.18382) and of the forecasters' own."""

LAST_VALUE = "repeating the last value"


def size_line(d_model: int | Sequence[int], epochs: int, machine: str) -> str:
    """At which size a run was made, beside the papers', in one line.

    ``d_model`` is the width in channels, or all of them where a study trains several; ``epochs`` as many as were
    allowed; ``machine`` what it ran on, as ``2 cores``. It is the papers' size where the widest model and the epochs
    reach theirs exactly.
    """
    widths = sorted({d_model} if isinstance(d_model, int) else set(d_model))
    run = f"Models of d_model {listed([str(width) for width in widths])} after {_epochs(epochs)} on {machine}"
    if widths[-1] == PAPER_WIDTH and epochs == PAPER_EPOCHS:
        return f"{run}. This is the papers' size."
    return f"{run}; the papers: d_model {PAPER_WIDTH}, {_epochs(PAPER_EPOCHS)}. Not the papers' size."


def is_papers_size(size: str) -> bool:
    """Whether the ``size`` of a page, in words as of :func:`size_line`, is the papers'."""
    return bool(re.search(r"(?<!not )the papers' size", size, re.IGNORECASE))


def _epochs(count: int) -> str:
    return f"up to {count} epochs" if count > 1 else "1 epoch"


_KINDS = {
    "train": "trainings",
    "naive": "naive forecasts",
    "prune": "prunings of single weights",
    "nm": "2:4 prunings",
    "second_order": "prunings by second order",
    "structured": "narrowings",
    "depgraph": "narrowings by torch-pruning",
    "to_the_end": "narrowings as the first paper's code",
    "authors": "prunings as the first paper's code",
    "sensitivity": "models pruned group by group",
    "fine_tune": "fine-tunings",
    "narrow_tune": "fine-tunings of narrow models",
    "score_tune": "fine-tunings after other scores",
    "distill": "distillings",
    "sparse_train": "sparse trainings",
    "latency": "timings",
    "inference": "timings",
}
"""What a reader calls the kinds of steps."""


def missing_words(rows: Collection[Mapping]) -> str:
    """How many of the steps behind ``rows`` have not run yet, in all and of each kind; empty if all have."""
    every = Counter(row["kind"] for row in rows)
    waiting = Counter(row["kind"] for row in rows if row["status"] == NOT_RUN)
    if not waiting:
        return ""
    kinds = ", ".join(f"{count:,} of {every[kind]:,} {_KINDS.get(kind, kind)}" for kind, count in waiting.items())
    shown = "shows the results of the others" if waiting != every else "has no result yet"
    return (
        f"{some_of(waiting.total(), every.total(), 'step')} not run yet ({kinds}). This page {shown}; run the study "
        "again to continue."
    )


def judged(best: pd.Series, levels: dict[int, float]) -> pd.Series:
    """Those of ``best`` (MSE by model and pred_len) at whose horizon there is a naive level to beat."""
    return best[best.index.isin(list(levels), level=1)]


def no_better(best: pd.Series, levels: dict[int, float]) -> pd.Series:
    """Those of ``best`` that do not lie below the naive level of their horizon, as far as they are :func:`judged`."""
    known = judged(best, levels)
    return known[[mse >= levels[pred_len] for (_, pred_len), mse in known.items()]]


def idle(best: pd.Series, levels: dict[int, float], than: str, cells: pd.DataFrame) -> str:
    """The first sentence from the data on, where no model does better than a naive forecast, called ``than``, at any
    horizon that has one; else empty."""
    known = judged(best, levels)
    if known.empty or len(no_better(best, levels)) < len(known):
        return ""
    names = known.index.unique(0)
    does = f"**{names[0]}** does" if len(names) == 1 else f"{all_of(len(names))} forecasters do"
    at = f" at {_horizons(known.index.unique(1))}" if len(known) < len(best) else ""
    return (
        f"{does} no better than {than}{at}, even unpruned, so what pruning changes{' there' if at else ''} matters "
        f"little ({mean_text(cells)})"
    )


def _horizons(pred_lens: Iterable[int]) -> str:
    numbers = [str(pred_len) for pred_len in sorted(pred_lens)]
    return f"horizon{'' if len(numbers) == 1 else 's'} {listed(numbers)}"


def all_of(count: int) -> str:
    """``both`` or ``all 3``."""
    return "both" if count == 2 else f"all {count}"


def standing(best: pd.Series, levels: dict[int, float], than: str, cells: pd.DataFrame) -> str:
    """Sentences on the models that are no better than a naive forecast, called ``than``, and on the horizons where that
    has no result; empty where there is neither, or :func:`idle` has said it."""
    names, parts = no_better(best, levels).index.unique(0), []
    if len(names) and not idle(best, levels, than, cells):
        at = "" if cells["pred_len"].nunique() == 1 else " at one horizon or more"
        parts.append(f"{bold(names)} {'is' if len(names) == 1 else 'are'} no better than {than}{at}, even dense.")
    return " ".join([*parts, *unjudged(best, levels, than)])


def unjudged(best: pd.Series, levels: dict[int, float], than: str) -> list[str]:
    """A sentence on the horizons where a naive forecast, called ``than``, has no result; none where there is none."""
    without = sorted(set(best.index.unique(1)) - set(levels))
    if not without:
        return []
    name = f"{than[0].upper()}{than[1:]}"
    return [f"{name} has no result at {_horizons(without)}: forecasters are not judged by it there."]


def alike(differences: pd.DataFrame) -> pd.Series:
    """Which of ``differences`` show that two ways end the same: the whole interval lies within TOLERANCE, over two
    seeds or more. Of a wider one that holds zero nothing is known, which is not that there is no
    difference."""
    within = (differences["low"] >= -TOLERANCE) & (differences["high"] <= TOLERANCE)
    return within & (differences["seeds"] > 1)


def undecided(noise: pd.DataFrame) -> str:
    """What is known about differences that are within the noise, as a few words to end a first sentence: how many are
    unclear, or that all of their intervals end within TOLERANCE; empty if there are none."""
    unknown = int((~alike(noise)).sum())
    if unknown:
        return f"{unknown} {'is' if unknown == 1 else 'are'} unclear"
    return f"{len(noise)} end{'s' if len(noise) == 1 else ''} within {percent(TOLERANCE)}" if len(noise) else ""


def told_where(noise: pd.DataFrame, of: str) -> tuple[bool, str]:
    """For differences of which none is clear: whether all are known to be small, and how many are not, or else how many
    there are, with their range: ``in 2 of 4 cases (−9.0 to +12 %)``, with ``of`` for cases."""
    unknown = noise[~alike(noise)]
    rows = unknown if len(unknown) else noise
    where = f"for **{noise['model'].iloc[0]}**" if len(noise) == 1 else f"in {len(rows)} of {len(noise)} {of}"
    return unknown.empty, f"{where} ({number(rows['low'].min())} to {number(rows['high'].max())}{NBSP}%)"
