"""Workers that serve one grid after the other: the same ones, others where they died, none afterwards."""

import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
from helpers import FakeStep

from tsprune.engine.executors import local_processes
from tsprune.engine.grid import run_grid
from tsprune.engine.kept_workers import Kept
from tsprune.engine.progress import Progress
from tsprune.engine.store import Store


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Run a grid of one step; returns its status. ``ran.made``: the executors that were made, ``ran.workers()`` the
    processes of the last."""

    class Ran:
        def __init__(self):
            self.made: list[ProcessPoolExecutor] = []

        def make(self):
            self.made.append(local_processes(1)())
            return self.made[-1]

        def workers(self):
            return list(self.made[-1]._processes.values())

        def __call__(self, maker, name, act="ok"):
            step = FakeStep(name=name, log=str(tmp_path / "log"), act=act)
            (row,) = run_grid(
                [step], Store(tmp_path / "store"), make_executor=maker, jobs=1, progress=Progress()
            ).values()
            return row["status"]

    return Ran()


def test_grids_have_the_same_workers_others_where_they_died_and_none_after_the_block(ran):
    with Kept(ran.make) as maker:
        assert ran.made == []
        assert ran(maker, "a") == "ok"
        (first,) = ran.workers()
        assert ran(maker, "b") == "ok" and ran.workers() == [first] and len(ran.made) == 1
        assert first.is_alive()
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        while not ran.made[-1]._broken:  # till then the executor takes a step, which counts as lost with that worker
            time.sleep(0.01)
        assert ran(maker, "c", act="die-once") == "ok" and len(ran.made) == 3
        (last,) = ran.workers()
        assert last.is_alive()
    assert not last.is_alive()


def test_an_exception_does_not_wait_for_what_runs(ran):
    began = time.monotonic()
    with pytest.raises(KeyError), Kept(ran.make) as maker:
        maker().submit(time.sleep, 60)
        (worker,) = ran.workers()
        raise KeyError
    assert time.monotonic() - began < 30 and not worker.is_alive()
