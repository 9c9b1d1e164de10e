"""Study 02's tables: their columns and vocabulary, for the cells that fill them and for all that reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tsprune.report.frames import NoRows, finished, need
from tsprune.report.text import none_of
from tsprune.study.base.result import StudyResult

COMPARED = (
    ("pruned", "dense longer"),
    ("fine-tuned", "dense longer"),
    ("fine-tuned", "pruned"),
    ("iterative", "fine-tuned"),
    ("rewound", "fine-tuned"),
)
"""Arm, and the arm it is compared with: at the same density and structure, the dense one aside."""

MAGNITUDE = "magnitude"

SCORED = ("pruned", "fine-tuned")
"""Arms that there may be with another score than magnitude as well."""


def by_score(arm: str, score: str) -> str:
    """What an arm is called whose weights another score than magnitude has chosen: ``fine-tuned, wanda``."""
    return arm if score == MAGNITUDE else f"{arm}, {score}"


def compared(score: str) -> tuple[tuple[str, str], ...]:
    """COMPARED, and the arms with ``score`` beside those with magnitude."""
    return COMPARED if score == MAGNITUDE else (*COMPARED, *((by_score(arm, score), arm) for arm in SCORED))


def scored_arms(arms: Iterable[str]) -> list[str]:
    """Those of ``arms`` whose weights another score has chosen, each once."""
    return [arm for arm in dict.fromkeys(arms) if arm.startswith(tuple(f"{one}, " for one in SCORED))]


HISTORY = ["model", "pred_len", "seed", "structure", "density_asked", "arm"]


@dataclass(frozen=True)
class FineTuningResult(StudyResult):
    """``cells`` has a row per model, horizon, seed, structure (see STRUCTURES), arm and density. Arms: dense as trained
    ("dense"), trained as much longer ("dense longer", the fair control), SPARSE_ARMS, and those of ``by_score``.
    ``mse_relative`` is the test MSE over that of the dense model of the same seed."""

    history: pd.DataFrame
    """A row per epoch of every arm that trains on; epoch 0 is the state before it does."""
    comparisons: pd.DataFrame
    """A row per model, horizon, structure, density and pair of COMPARED: test MSE of ``arm`` over that of ``against``
    less one (``relative``), the interval of the paired block bootstrap (``low``, ``high``), and whether it is ``clear``
    of zero. ``seeds`` with a result on both sides; 0: no comparison."""


SPARSE_ARMS = ("pruned", "fine-tuned", "iterative", "rewound")
"""Pruned and left; pruned once and trained on; pruned step by step while training on; the pruned model's mask on the
initial weights, trained from there."""


def sparse_arms(arms: Iterable[str]) -> list[str]:
    """SPARSE_ARMS, then those of ``arms`` with another score."""
    return [*SPARSE_ARMS, *scored_arms(arms)]


CELLS = (
    *("dataset", "model", "pred_len", "seed", "structure", "arm", "density_asked", "mse", "mse_relative"),
    "status",
)


def drawable(cells: pd.DataFrame) -> pd.DataFrame:
    """The finished cells. Raises UserError for a missing column, NoRows where no pruned model finished."""
    need(cells, "cells", CELLS)
    done = finished(cells)
    if not done["arm"].isin(SPARSE_ARMS).any():
        raise NoRows(f"table 'cells': {none_of(len(cells), 'cell')} of a pruned model finished")
    return done


STRUCTURES = {"unstructured": "single weights", "structured": "narrower layers", "2:4": "2:4"}
"""In reading order, with the words for them."""

COMPARISONS = (
    *("model", "pred_len", "structure", "density_asked", "arm", "against"),
    *("relative", "low", "high", "clear", "seeds"),
)


def sparsest(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Fine-tuned against dense trained as long, of the first structure in reading order, at its lowest density.

    Raises UserError for an empty table, a missing column, and where no model was fine-tuned.
    """
    need(comparisons, "comparisons", COMPARISONS)
    pairs = comparisons[(comparisons["arm"] == "fine-tuned") & (comparisons["against"] == "dense longer")]
    structure = next((name for name in STRUCTURES if name in set(pairs["structure"])), None)
    own = pairs[pairs["structure"] == structure]
    if own.empty:
        raise NoRows("table 'comparisons': no row of fine-tuned against dense longer")
    return own[own["density_asked"] == own["density_asked"].min()]
