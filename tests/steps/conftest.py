"""What the tests of steps run on: a store of their own, without new processes."""

import pytest
from helpers import Recorder

from tsprune.engine.grid import run_grid
from tsprune.engine.store import Store
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def linear(smoke):
    """The quickest to train."""
    return base_steps(PruningSweep.parse(smoke | {"models": ["DLinear"], "store": "unused"})).dense[0]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def run(store, threads):
    """Runs steps and those that they need; their rows by key."""
    return lambda *steps: run_grid(steps, store, make_executor=threads, jobs=2, progress=Recorder(2))
