"""kill -9 at any moment, run again: nothing finished is lost, nothing half-written is read, the table is the same."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from tsprune.engine.progress import Progress
from tsprune.processor import on_threads
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep

SCRIPT = """
import json, sys
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
if __name__ == "__main__":
    PruningSweepCells(PruningSweep.parse(json.loads(sys.argv[1]))).run()
"""


@pytest.fixture
def parameters(tmp_path, smoke, few):
    """``parameters(store)``: of a run of a dozen steps, one at a time."""
    small = {"densities": [1.0, 0.8, 0.64, 0.512, 0.4, 0.3], "jobs": 1}
    return lambda store: smoke | few | small | {"store": str(tmp_path / store)}


@pytest.fixture
def start(tmp_path, parameters):
    """``start(store)``: the run, in a process group of its own."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)

    def start(store: str) -> subprocess.Popen:
        command = [sys.executable, str(script), json.dumps(parameters(store))]
        return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)

    return start


def finish(parameters: dict) -> pd.DataFrame:
    """Run to the end in this process, with one thread as workers compute; the table."""
    with on_threads(1):
        cells = PruningSweepCells(PruningSweep.parse(parameters))
        tidy = cells.run(make_executor=lambda: ThreadPoolExecutor(1), progress=Progress()).tidy
    return tidy[tidy["kind"] == "result"].reset_index(drop=True)


def entries(folder) -> dict[str, float]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("??/*/row.json")}


def alive(group: int) -> list[str]:
    """Processes of the group that still run (zombies aside)."""
    listing = subprocess.run(["ps", "-eo", "pgid=,stat=,pid="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [pid for pgid, state, pid in rows if pgid == str(group) and not state.startswith("Z")]


def test_killed_twice_and_run_again_the_table_is_bit_for_bit_that_of_an_undisturbed_run(start, parameters, tmp_path):
    calm = finish(parameters("calm"))
    store = tmp_path / "rough"
    for wanted in (3, 9):
        process = start("rough")
        deadline = time.monotonic() + 60
        while len(entries(store)) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        # The workers leave by themselves when their parent is gone, however it went.
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(process.pid)
    finished = entries(store)
    assert len(finished) >= 9
    assert len(finished) < len(entries(tmp_path / "calm"))
    rough = finish(parameters("rough"))
    after = entries(store)
    assert set(after) == set(entries(tmp_path / "calm"))
    assert {key: after[key] for key in finished} == finished
    pd.testing.assert_frame_equal(calm, rough, check_exact=True)
    assert list((store / "tmp").iterdir()) == []
