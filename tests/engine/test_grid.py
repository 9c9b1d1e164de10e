"""Each step once, in order of need; failures are rows; damage and dead workers are survived."""

import errno
import os
import signal
import sys
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.popen_spawn_posix import Popen
from pathlib import Path
from typing import ClassVar

import pytest
from helpers import FakeStep, Recorder, TimedStep
from safetensors import SafetensorError

from tsprune.engine.execute import execute
from tsprune.engine.executors import local_processes
from tsprune.engine.grid import run_grid
from tsprune.engine.store import Corrupt, Store
from tsprune.errors import Stopped


@pytest.fixture
def make(tmp_path):
    log = tmp_path / "log"
    log.touch()
    return lambda name, act="ok", after=(), **more: FakeStep(name=name, log=str(log), act=act, after=after, **more)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def run(steps, store, progress=None, executor=None, jobs=2):
    return run_grid(
        steps,
        store,
        make_executor=executor or (lambda: ThreadPoolExecutor(jobs)),
        jobs=jobs,
        progress=progress or Recorder(jobs),
    )


def ran(step) -> list[str]:
    return Path(step.log).read_text().split()


def test_a_shared_need_runs_once_and_first_and_nothing_runs_twice(make, store):
    dense = make("dense")
    cells = [make(f"cell{i}", after=(dense,)) for i in range(5)]
    rows = run(cells, store)
    assert set(rows) == {c.key for c in cells}
    assert ran(dense)[0] == "dense"
    assert sorted(ran(dense)) == ["cell0", "cell1", "cell2", "cell3", "cell4", "dense"]
    assert run([dense, *cells], store).keys() == {dense.key, *rows}
    assert len(ran(dense)) == 6


def test_the_time_that_is_left_is_of_other_data_in_proportion_to_its_length(make, store):
    class On(FakeStep):
        dataset: str

        def protocol(self) -> dict:
            return {"model": "M", "dataset": self.dataset}

    class Told(Recorder):
        def start(self, total, from_store, waiting, known):
            self.known = [known(step) for step in waiting]
            super().start(total, from_store, waiting, known)

    step = On(name="a", log=make("a").log, dataset="long")
    row = {"kind": step.kind, "key": "0", "status": "ok", "reason": None, "detail": {}, "cost": {"seconds": 10.0}}
    store.put({"of": "test"}, row | {"protocol": {"model": "M", "dataset": "short"}, "result": {"windows_test": 5}})
    progress = Told(1)
    lengths = {"short": 100, "long": 300}
    with_threads = partial(run_grid, make_executor=lambda: ThreadPoolExecutor(1), jobs=1, lengths=lengths)
    with_threads([step], store, progress=progress)
    assert progress.known == [30.0]
    elsewhere = row | {"protocol": step.protocol(), "cost": {"seconds": 50.0}}
    with_threads([On(name="b", log=step.log, dataset="long")], store, progress=progress, past=lambda: [elsewhere])
    assert progress.known == [pytest.approx(25.0, abs=0.1)], "the archive's row, and that of the step just run"


def test_a_failure_is_a_row_whose_traceback_is_utf_8_whatever_signs_it_has(make, store, monkeypatch):
    def fail(step, store):
        raise ValueError("19 °C in \udcff.csv")  # as Python reads a name of a file that is no UTF-8

    monkeypatch.setattr(FakeStep, "run", fail)
    step = make("a")
    assert execute(step, str(store.root))["status"] == "failed"
    assert b"19 \xc2\xb0C in \\udcff.csv" in store.artifact(step.key, "traceback.txt").read_bytes()


def test_failures_are_rows_and_the_study_goes_on(make, store):
    steps = [make("a", "error"), make("b", "user-error"), make("c", "diverge"), make("d")]
    steps.append(make("e", after=(steps[0],)))
    steps.append(make("f", after=(steps[2],)))
    rows = run(steps, store)
    state = {rows[s.key]["protocol"]["name"]: (rows[s.key]["status"], rows[s.key]["reason"]) for s in steps}
    assert state == {
        "a": ("failed", "ZeroDivisionError: as told"),
        "b": ("failed", "a clear line"),
        "c": ("diverged", "at step 3"),
        "d": ("ok", None),
        "e": ("failed", "needs a, which failed: ZeroDivisionError: as told"),
        "f": ("failed", "needs c, which diverged: at step 3"),
    }
    assert "ZeroDivisionError" in store.artifact(steps[0].key, "traceback.txt").read_text()
    # A failed step is tried again; one that diverged would diverge again, and is not.
    before = ran(steps[0])
    run(steps, store)
    assert sorted(ran(steps[0])[len(before) :]) == ["a", "b"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error: No space left on device")],
    ids=("system", "safetensors"),
)
def test_on_a_full_disk_nothing_more_is_computed_in_vain(make, store, monkeypatch, error):
    def full(*_):
        raise error

    steps, progress = [make(name) for name in "abcd"], Recorder(1)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", full)
        rows = run(steps, store, progress, jobs=1)
    assert [rows[s.key]["status"] for s in steps] == ["failed", "not run", "not run", "not run"]
    assert "No space left on device" in rows[steps[0].key]["reason"] and ran(steps[0]) == ["a"]
    assert {rows[s.key]["reason"] for s in steps[1:]} == {f"the disk of {store.root} is full"}
    (told,) = [news for news in progress.news if "is full" in news]
    assert told.endswith(f"the disk of {store.root} is full: no further step is begun; make room, run again")
    assert [row["status"] for row in run(steps, store).values()] == ["ok"] * 4


def test_a_damaged_row_is_named_and_computed_again(make, store):
    steps = [make("a"), make("b")]
    rows = run(steps, store)
    path = store.folder(steps[0].key) / "row.json"
    path.write_text(path.read_text().replace("0.14", "0.15"))
    progress = Recorder()
    assert run(steps, store, progress) | {} == {
        k: v | {"cost": w["cost"]} for (k, v), w in zip(rows.items(), run(steps, store).values(), strict=True)
    }
    assert any("damaged" in line and str(path) in line for line in progress.news)
    assert ran(steps[0]) == ["a", "b", "a"] or ran(steps[0]) == ["b", "a", "a"]


def test_a_damaged_artifact_is_computed_again_when_something_needs_it(make, store):
    dense = make("dense")
    run([dense], store)
    (store.folder(dense.key) / "manifest.json").write_text("{}")
    progress = Recorder()
    cell = make("cell", after=(dense,))
    assert run([cell], store, progress)[cell.key]["status"] == "ok"
    assert ran(dense) == ["dense", "dense", "cell"]
    assert any("damaged" in line for line in progress.news)


def test_a_dying_worker_costs_its_own_step_only(make, store):
    steps = [make("a"), make("killer", "die"), make("b"), make("c")]
    progress = Recorder(2)
    rows = run(steps, store, progress, executor=local_processes(2))
    assert [rows[s.key]["status"] for s in steps] == ["ok", "failed", "ok", "ok"]
    assert "worker process died" in rows[steps[1].key]["reason"]
    assert any("run again, alone" in line for line in progress.news)


@pytest.mark.parametrize(("breaks", "status"), [(1, "ok"), (2, "ok"), (3, "failed")])
def test_workers_that_die_as_they_start_are_started_again(make, store, breaks, status):
    class Breaks(ThreadPoolExecutor):
        def submit(self, *work):
            nonlocal breaks
            breaks -= 1
            if breaks >= 0:
                raise BrokenExecutor("as told")
            return super().submit(*work)

    steps = [make("a"), make("b")]
    rows = run(steps, store, executor=lambda: Breaks(1))
    assert [rows[step.key]["status"] for step in steps] == [status, "ok"]
    if status == "failed":
        assert rows[steps[0].key]["reason"] == "no worker process could be started (as told)"


def test_a_pool_counts_as_broken_where_a_worker_is_killed_as_it_starts(monkeypatch):
    pool = local_processes(2)()
    with monkeypatch.context() as patch:
        patch.setattr(Popen, "_launch", lambda *given: (_ for _ in ()).throw(BrokenPipeError("the pipe")))
        with pytest.raises(BrokenExecutor, match="as it was started: the pipe"):
            pool.submit(int)
    pool.shutdown()


def test_a_broken_pool_leaves_no_worker_behind():
    """One that was started just as the library ended the others: whoever waits for it waits for good."""
    pool = local_processes(2)()
    assert pool.submit(abs, -1).result() == 1
    (worker,) = pool._processes.values()
    pool._broken = "another worker died"
    pool.shutdown()
    assert worker.exitcode == -signal.SIGKILL


def test_a_worker_that_is_just_being_started_does_not_hear_of_ctrl_c():
    with local_processes(2)() as pool:
        done = pool.submit(abs, -1)
        (worker,) = pool._processes.values()
        os.kill(worker.pid, signal.SIGINT)
        assert done.result() == 1


def test_a_sound_entry_that_takes_the_place_of_a_damaged_one_is_seen(make, store, monkeypatch):
    """Another study removes the damaged entry and computes it anew between two files that this one reads."""
    step = make("a")
    rows = run([step], store)
    verify, looks = Store.verify, []

    def changing(self, *given, **named):
        looks.append(given)
        if len(looks) == 1:
            raise Corrupt("half old, half new")
        verify(self, *given, **named)

    monkeypatch.setattr(Store, "verify", changing)
    assert run([step], store) == rows
    assert ran(step) == ["a"] and len(looks) == 2


def test_an_entry_that_another_study_replaced_by_damage_is_stored_again(make, store):
    step = make("a")
    rows = run([step], store)
    path = store.folder(step.key) / "row.json"
    path.write_text(path.read_text() + " ")
    with pytest.warns(UserWarning, match="row.json was changed after it was written; what was computed now"):
        assert execute(step, str(store.root))["result"] == rows[step.key]["result"]
    assert store.row(step.key)["result"] == rows[step.key]["result"]


def test_what_a_long_chain_waits_for_starts_first(make, store):
    first, late = make("first"), make("late")
    pruned = make("pruned", after=(late,))
    steps = [first, make("leaf", after=(first,)), make("other"), make("tuned", after=(pruned,))]
    run(steps, store, jobs=1)
    assert ran(first) == ["late", "first", "pruned", "leaf", "other", "tuned"]


def test_progress_says_what_is_done_running_and_left(make, store):
    steps = [make(f"step{i}") for i in range(4)]
    progress = Recorder(1)
    run(steps, store, progress, jobs=1)
    assert "0/4 done" in progress.news[0]
    assert "1/4 done, 1 running, 2 waiting" in progress.news[1]
    assert "about" in progress.news[1]
    assert "4/4 done" in progress.news[-1]
    again = Recorder(1)
    run(steps, store, again, jobs=1)
    assert "4 steps, 4 of them in the store" in again.news[0]


def test_a_step_that_measures_time_has_the_machine_to_itself(make, store):
    others = [make(f"o{i}", seconds=0.05) for i in range(3)]
    alone = [TimedStep(name=f"t{i}", log=others[0].log, after=(others[0],)) for i in range(2)]
    run([alone[0], others[0], alone[1], *others[1:]], store, jobs=3)
    assert ran(others[0])[-2:] == ["t0", "t1"]
    spans = sorted(tuple(store.row(step.key)["result"].values()) for step in alone)
    assert spans[0][1] <= spans[1][0]


@pytest.mark.parametrize("act", ["memory", "torch-memory"])
def test_running_out_of_memory_is_a_row_of_its_kind_and_says_how_much_was_asked_for(make, store, act):
    step = make("big", act)
    row = run([step], store)[step.key]
    assert row["status"] == "out of memory"
    if act == "torch-memory":
        assert "4611686018427387904" in row["reason"]


def test_an_interrupted_run_says_what_is_kept_ends_its_workers_and_goes_on_when_run_again(make, store):
    """Ctrl-C as the second step ends: the third, which would take a minute, is not waited for."""

    class Interrupts(Recorder):
        def show(self, news: str) -> None:
            super().show(news)
            if self.done == 2 and self.running:
                raise KeyboardInterrupt

    steps = [make("a"), make("b"), make("slow", seconds=60)]
    progress, began = Interrupts(2), time.monotonic()
    with pytest.raises(Stopped) as stopped:
        run(steps, store, progress, executor=local_processes(2))
    assert time.monotonic() - began < 40
    assert str(stopped.value) == "stopped; 2 of 3 kept; run again to go on"
    assert stopped.value._render_traceback_() == [str(stopped.value)]
    assert progress.news[-1].endswith(str(stopped.value)) and not progress.running
    run(steps[:2], store)
    assert sorted(name for name in ran(steps[0]) if name != "slow") == ["a", "b"]


def test_a_process_that_is_told_to_end_does_not_wait_for_running_steps(make, store):
    class Ends(Recorder):
        def show(self, news: str) -> None:
            super().show(news)
            if self.done == 1 and self.running:
                sys.exit(130)

    progress, began = Ends(2), time.monotonic()
    with pytest.raises(SystemExit, match="130"):
        run([make("a"), make("slow", seconds=60)], store, progress, executor=local_processes(2))
    assert time.monotonic() - began < 40 and progress.news[-1].endswith("stopped; 1 of 2 kept; run again to go on")


class Modelled(FakeStep):
    """Ends with a model, as far as the engine knows, which a row out of an archive has not."""

    kind: ClassVar[str] = "modelled"
    keepsake: ClassVar[str] = "model.safetensors"


def test_numbers_whose_model_there_was_no_time_to_make_again_stay(tmp_path, store, make):
    dense = Modelled(name="dense", log=str(tmp_path / "log"))
    small = make("small", after=(dense,))
    run([dense], store)
    rows = run_grid(
        [dense, small],
        store,
        make_executor=lambda: ThreadPoolExecutor(1),
        jobs=1,
        progress=Recorder(1),
        deadline=time.monotonic() - 1,
    )
    assert rows[dense.key] == store.row(dense.key)
    assert rows[dense.key]["status"] == "ok" and rows[small.key]["status"] == "not run"


def test_a_step_whose_process_the_gpu_fails_is_run_again_in_another(make, store):
    steps = [make("a"), make("failed", "gpu-once"), *(make(f"later{i}") for i in range(4))]
    rows = run(steps, store, executor=local_processes(1), jobs=1)
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert ran(steps[0]).count("failed") == 2
    (row,) = run_grid(
        [make("here", "gpu-once")], store, make_executor=lambda: ThreadPoolExecutor(1), jobs=1, progress=Recorder(1)
    ).values()
    assert row["status"] == "failed" and "unknown error" in row["reason"], "no process of ours is ended but a worker"
