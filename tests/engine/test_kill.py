"""kill -9 at any moment, run again: nothing finished is lost, nothing half-written is read, the table is the same."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

SCRIPT = """
import json, sys
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
if __name__ == "__main__":
    result = PruningSweepCells(PruningSweep.parse(json.loads(sys.argv[1]))).run()
    table = result.tidy[result.tidy["kind"] == "result"]
    table.reset_index(drop=True).to_parquet(sys.argv[2])
"""


@pytest.fixture
def start(tmp_path, smoke, few):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)

    def start(store: str, table: str) -> subprocess.Popen:
        small = {"densities": [1.0, 0.8, 0.64, 0.512, 0.4, 0.3], "jobs": 1}
        parameters = smoke | few | small | {"store": str(tmp_path / store)}
        command = [sys.executable, str(script), json.dumps(parameters), str(tmp_path / table)]
        return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)

    return start


def entries(folder) -> dict[str, float]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("??/*/row.json")}


def alive(group: int) -> list[str]:
    """Processes of the group that still run (zombies aside)."""
    listing = subprocess.run(["ps", "-eo", "pgid=,stat=,pid="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [pid for pgid, state, pid in rows if pgid == str(group) and not state.startswith("Z")]


def test_killed_twice_and_run_again_the_table_is_bit_for_bit_that_of_an_undisturbed_run(start, tmp_path):
    assert start("calm", "calm.parquet").wait(120) == 0
    store = tmp_path / "rough"
    for wanted in (3, 9):
        process = start("rough", "never.parquet")
        deadline = time.monotonic() + 60
        while len(entries(store)) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        # The workers leave by themselves when their parent is gone, however it went.
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(process.pid)
    assert not (tmp_path / "never.parquet").exists()
    finished = entries(store)
    assert len(finished) >= 9
    assert start("rough", "rough.parquet").wait(120) == 0
    after = entries(store)
    assert set(after) == set(entries(tmp_path / "calm"))
    assert {key: after[key] for key in finished} == finished
    calm, rough = pd.read_parquet(tmp_path / "calm.parquet"), pd.read_parquet(tmp_path / "rough.parquet")
    pd.testing.assert_frame_equal(calm, rough, check_exact=True)
    assert list((store / "tmp").iterdir()) == []
