"""A way to run a small sweep without new processes."""

import pytest
from helpers import Recorder

from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def run(tmp_path, smoke, threads):
    def run(progress=None, store="store", **changes):
        config = PruningSweep.parse(smoke | {"store": str(tmp_path / store)} | changes)
        return PruningSweepCells(config).run(make_executor=threads, progress=progress or Recorder(2))

    return run
