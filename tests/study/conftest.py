"""A sweep small enough to run in seconds, and a way to run it without new processes."""

import math
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import profiles
import pytest
from helpers import Recorder

from tsprune.study.pruning_sweep.cells import run_sweep
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def smoke() -> dict:
    """The smoke profile's parameters with two models, unstructured only: a run takes a second or two."""
    return profiles.parameters("smoke", "01_pruning_sweep") | {
        "models": ["DLinear", "Autoformer"],
        "seeds": [1],
        "structured_densities": [],
        "two_of_four": False,
        "latency_repeats": 0,
        "jobs": 2,
    }


@pytest.fixture
def few(tmp_path) -> dict:
    """Parameters of a dataset of 900 hours, for tests that train many models."""
    path = tmp_path / "few.csv"
    stamps = pd.date_range("2024-01-01", periods=900, freq="h").astype(str)
    rows = (f"{s},{math.sin(i / 4)},{i % 24 + i / 300}\n" for i, s in enumerate(stamps))
    path.write_text("date,load,wind\n" + "".join(rows))
    return {"dataset": str(path), "batch_size": 32}


@pytest.fixture
def threads():
    """A maker of executors that start no process."""
    return lambda: ThreadPoolExecutor(2)


@pytest.fixture
def run(tmp_path, smoke, threads):
    def run(progress=None, store="store", **changes):
        config = PruningSweep.parse(smoke | {"store": str(tmp_path / store)} | changes)
        return run_sweep(config, make_executor=threads, progress=progress or Recorder(2))

    return run
