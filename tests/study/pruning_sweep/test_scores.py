"""Scores side by side, and the first paper's protocol beside ours: drawn and tabulated as they are."""

from io import BytesIO

import pandas as pd
import pytest
from reading import read

from tsprune.errors import UserError
from tsprune.study.pruning_sweep import figures, tables
from tsprune.study.pruning_sweep.result import AUTHORS, OURS


@pytest.fixture
def scores() -> pd.DataFrame:
    """Two models and seeds; magnitude doubles the error at density 0.1, wanda half as much, random by 30."""
    rise = {"dense": 1.0, "magnitude": 2.0, "wanda": 1.5, "random": 30.0}
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "score": score,
            "scope": {"dense": None, "random": "layer"}.get(score, "output"),
            "density_asked": 1.0 if score == "dense" else 0.1,
            "density": 1.0 if score == "dense" else 0.1,
            "mse": worse,
            "mse_relative": worse,
            "calibration_seconds": 0.2 if score == "wanda" else None,
            "calibration_memory_mib": 9.0 if score == "wanda" else None,
            "status": "ok",
            "reason": None,
        }
        for model in ("A", "B")
        for seed in (1, 2)
        for score, worse in rise.items()
    )


@pytest.fixture
def gains() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "score": score,
            "scope": scope,
            "density_asked": 0.1,
            "relative": relative,
            "low": relative - 0.1,
            "high": relative + 0.1,
            "clear": abs(relative) > 0.1,
            "seeds": 2,
        }
        for model in ("A", "B")
        for score, scope, relative in (("wanda", "output", -0.25 if model == "A" else 0.05), ("random", "layer", 14.0))
    )


@pytest.fixture
def authors() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": "FEDformer",
            "pred_len": 96,
            "seed": seed,
            "protocol": protocol,
            "density_asked": density,
            "density_all": density if protocol == OURS else 0.6 + 0.4 * density,
            "untouched": 0.6 if protocol == AUTHORS else None,
            "fourier": 0.55 if protocol == AUTHORS else None,
            "mse": 1 / density,
            "mse_relative": 1 / density,
            "status": "ok",
            "reason": None,
        }
        for seed in (1, 2)
        for protocol in (OURS, AUTHORS)
        for density in (1.0, 0.4, 0.1)
    )


def test_a_panel_per_model_a_line_per_score_and_magnitude_with_its_scope(scores):
    figure = figures.scores(scores)
    figure.savefig(BytesIO(), format="png", dpi=30)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A", "B"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["magnitude, by output", "wanda", "random", "dense", "within 5\u00a0%"]
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [[0.1, 2.0], [1.0, 1.0]] in lines and [[0.1, 1.5], [1.0, 1.0]] in lines
    assert figure.axes[0].get_ylim()[1] == 8.0 and "up to 30 times dense" in figure.get_supxlabel()
    with pytest.raises(UserError, match="none of the 16 cells finished"):
        figures.scores(scores.assign(status="failed"))


def test_the_table_has_magnitudes_error_and_the_gains_with_what_is_no_claim_in_italics(scores, gains):
    rows, classes = read(tables.scores(scores, gains))
    assert [cell for cell in rows[0] if cell] == ["magnitude, by output", "wanda", "random"]
    assert rows[-2] == ["A", "0.1", "2.00", "−25 (−35…−15)", "+1400 (1390…1410)"]
    assert "fallen" in classes["+5.0 (−5.0…15)"] and "fallen" not in classes["−25 (−35…−15)"]
    assert "wanda by output, random by layer" in tables.scores(scores, gains).caption


def test_the_counts_of_gains_add_up(gains):
    rows, _ = read(tables.gains(gains))
    assert rows[1:] == [
        ["wanda, density 0.1", "1", "0", "1", "2", "−25 % (A)"],
        ["random, density 0.1", "0", "2", "0", "2", "+1400 % (A)"],
    ]


def test_the_first_papers_protocol_is_drawn_by_what_it_asks_and_by_what_it_leaves(authors):
    figure = figures.authors(authors)
    figure.savefig(BytesIO(), format="png", dpi=30)
    asked, left = figure.axes
    assert "Density asked" in asked.get_xlabel() and "Share of all parameters left" in left.get_xlabel()
    shares = sorted({round(x, 6) for line in left.lines if len(line.get_xdata()) == 3 for x in line.get_xdata()})
    assert shares == [0.1, 0.4, 0.64, 0.76, 1.0]
    rows, _ = read(tables.authors(authors))
    assert rows[-1][-5:] == ["60.0 %", "10.0 %", "10.00", "64.0 %", "10.00"]
    with pytest.raises(UserError, match="'authors': column 'untouched' is missing"):
        tables.authors(authors.drop(columns="untouched"))
