"""How long data is, for the time that is left: told to what runs the steps."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import FakeStep

from tsprune.data import CATALOG
from tsprune.study.base import cells as base_cells
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def cells(smoke, few, tmp_path):
    return PruningSweepCells(PruningSweep.parse(smoke | few | {"store": str(tmp_path / "store")}))


def test_whoever_runs_the_steps_is_told_the_lengths_of_the_studys_own_data_and_of_the_catalogue(
    cells, threads, monkeypatch
):
    given = {}
    monkeypatch.setattr(base_cells, "run_grid", lambda steps, store, **told: given.update(told) or {})
    cells.compute([FakeStep(name="a", log="")], make_executor=threads)
    assert given["lengths"]["few"] == 900
    assert given["lengths"]["ETTh1"] == CATALOG["ETTh1"].rows


def test_pooled_data_is_as_long_as_all_its_series(cells):
    pooled = CATALOG["entsoe_pooled"]
    assert cells.lengths["entsoe_pooled"] == pooled.rows * pooled.columns
    table = SimpleNamespace(name="mine", values=np.zeros((30, 4)), series=4)
    cells.base = SimpleNamespace(table=table)
    assert cells.lengths["mine"] == 120
