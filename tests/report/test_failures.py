"""One table for all studies tells what has no result or missed what was asked, and why."""

import pandas as pd
import pytest
from IPython.display import Markdown

from tsprune.errors import UserError
from tsprune.report.failures import failures_table


def read(cells: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    table = failures_table(cells)
    return table.data, table.caption


def test_cells_of_one_reason_stand_in_one_row(make_cells):
    cells = make_cells()
    assert isinstance(failures_table(cells), Markdown)
    lost = (cells["model"] == "DLinear") & (cells["density_asked"] < 0.6)
    cells.loc[lost, "status"], cells.loc[lost, "reason"] = "diverged", "NaN at step 7"
    table, caption = read(cells)
    head = ["layer, global", "0.51, 0.41", "1, 2", "8"]  # not what all cells share
    assert table.to_numpy().tolist() == [[*head, "diverged", "NaN at step 7"]]
    assert table.index.tolist() == ["DLinear"]
    assert caption == "8 of 40 cells did not finish."
    backwards = read(cells.sort_values("seed", ascending=False, kind="stable"))[0]
    assert backwards["seed"].tolist() == ["1, 2"], "in order, however they were run"


def test_a_missed_target_is_told_and_models_that_the_papers_protocol_breaks_are_counted(make_cells):
    cells = make_cells(models=["A"])
    cells.loc[cells["density_asked"] < 0.5, "reason"] = "0.45 is the least: layer 1"
    cells.loc[cells["density_asked"] == 0.8, ["status", "reason"]] = "broken", "does not run"
    table, caption = read(cells)
    assert table[["density", "cells", "status", "reason"]].to_numpy().tolist() == [
        ["0.41", "4", "off target", "0.45 is the least: layer 1"]
    ]
    broken = "4 of 20 cells have no forecast: torch-pruning breaks the model (A)."
    assert caption == f"4 of 20 cells could not be pruned to what was asked. {broken}"
    alone = failures_table(cells.assign(reason=None))
    assert isinstance(alone, Markdown) and alone.data == f"{broken} Every other cell has a result."
    assert failures_table(make_cells()).data == "Every cell has a result."


def test_cells_whose_multiply_adds_are_counted_too_low_are_named_with_the_operators(make_cells):
    cells = make_cells(models=["A", "B"], scopes=["layer"], seeds=(1,)).assign(macs_unknown="")
    assert isinstance(failures_table(cells), Markdown)
    cells.loc[cells["model"] == "A", "macs_unknown"] = "fft_rfft"
    cells.loc[9, "macs_unknown"] = "scan, erfinv"
    cells.loc[8, ["status", "reason", "macs_unknown"]] = "failed", "boom", "scan"
    table, caption = read(cells)
    assert caption == "1 of 10 cells did not finish. 6 of 10 cells do more multiply-adds than are counted."
    assert table[["cells", "status", "reason"]].to_numpy().tolist() == [
        ["1", "failed", "boom"],
        ["5", "counted too low", "multiply-adds too low: operator fft_rfft is not counted"],
        ["1", "counted too low", "multiply-adds too low: operators scan and erfinv are not counted"],
    ]


def test_sizes_and_shares_of_the_data_are_named_where_a_study_has_them(make_cells):
    cells = make_cells(models=["A"], scopes=["layer"]).drop(columns=["scope", "structure"])
    cells = cells.assign(arm="pruned", width=16, depth=2.0, data_fraction=0.1)
    cells.loc[2:, ["arm", "width", "depth", "data_fraction"]] = "dense", 32, 1.0, 1.0
    cells.loc[0, ["status", "reason", "depth"]] = "failed", None, None
    cells.loc[1, ["status", "reason"]] = "failed", "x\n" * 500
    table, caption = read(cells)
    assert list(table.columns) == [
        "made",
        "d_model",
        "layers",
        "density",
        "data",
        "seed",
        "cells",
        "status",
        "reason",
    ]
    assert table.iloc[0]["reason"] == "not given" and table.iloc[1]["data"] == "10\u00a0%"
    assert len(table.iloc[1]["reason"]) <= 240 and table.iloc[1]["reason"].endswith("…")
    assert caption == "2 of 10 cells did not finish."


def test_a_missing_column_is_named(make_cells):
    with pytest.raises(UserError, match="'cells': column 'reason' is missing"):
        failures_table(make_cells().drop(columns="reason"))
