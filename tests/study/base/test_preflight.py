"""A study asks of its data, its machine and its protocol before it runs anything, whoever starts it."""

import math

import pandas as pd
import pytest
import torch
from helpers import Recorder

from tsprune.data import check_dataset
from tsprune.errors import UserError
from tsprune.study.base import config as base_config
from tsprune.study.base.shared import Tables
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.why.cells import WhyCells

HOURS = pd.date_range("2024-01-01", periods=300, freq="h").astype(str)
ROWS = ["date,load", *(f"{stamp},{math.sin(i / 4)}" for i, stamp in enumerate(HOURS))]


@pytest.fixture
def csv(tmp_path):
    def csv(rows=ROWS, name="mine.csv"):
        path = tmp_path / name
        path.write_text("\n".join(rows) + "\n")
        return str(path)

    return csv


@pytest.fixture
def config(smoke, tmp_path, csv):
    def config(**changes):
        given = {"dataset": csv(), "models": ["DLinear"], "densities": [0.5], "scopes": ["layer"], "batch_size": 64}
        return PruningSweep.parse(smoke | given | {"store": str(tmp_path / "store")} | changes)

    return config


@pytest.fixture
def refused(tmp_path):
    """The lines that running a study's cells is refused with, nothing run."""

    def refused(cells):
        progress = Recorder()
        with pytest.raises(UserError) as error:
            cells.run(progress=progress)
        assert not progress.news and not (tmp_path / "store").exists()
        return str(error.value).splitlines()

    return refused


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_problems_of_every_kind_are_told_at_once_and_nothing_is_run(config, refused, csv):
    other = csv(["date,load", "2024-01-01,1"], "other.csv")
    changes = {"protocol": "as_published", "eval_batch_size": 20, "device": "cuda", "pred_lens": [12, 40]}
    device, batch, rows, times = refused(PruningSweepCells(config(why_datasets=[other], **changes)))
    assert device == "device = 'cuda': torch finds no CUDA device here; allowed: auto, cpu"
    assert batch == (
        "eval_batch_size = 20: mine has 19 windows in the val split at pred_len = 12, not one full batch, and "
        "protocol = 'as_published' drops the others"
    )
    assert rows.startswith("mine: too few rows: the val split has 30 of the 300 rows, pred_len = 40 needs 40")
    assert times.startswith("other.csv: only 1 different times")


def test_data_are_refused_with_every_line_of_data_check(config, refused, csv):
    rows = list(ROWS)
    rows[5], rows[9] = rows[5].split(",")[0] + ",abc", rows[8]
    path = csv(rows, "bad.csv")
    told = refused(WhyCells(config(dataset=path)))
    assert tuple(told) == check_dataset(path).problems and len(told) == 3


def test_each_dataset_is_loaded_once_for_asking_and_running(config, csv, threads, monkeypatch):
    loaded = []
    load = base_config.load_table
    monkeypatch.setattr(base_config, "load_table", lambda name, **how: loaded.append(name) or load(name, **how))
    asked = config(why_datasets=[csv(ROWS[:250], "other.csv")], why_densities=[0.5], why_windows=4)
    PruningSweepCells(asked).run(make_executor=threads, progress=Recorder())
    assert loaded == [asked.dataset, *asked.why_datasets]


def test_a_dataset_that_cannot_be_read_is_refused_each_time_it_is_asked_for(config, csv):
    tables, bad = Tables(), config(dataset=csv(ROWS[:2], "bad.csv"))
    for _ in range(2):
        with pytest.raises(UserError, match="only 1 different times"):
            tables.of(bad)
    assert len(tables.of(config()).dates) == 300
