"""Steps on Dask workers: the rows are those of a local run, and who dies takes nothing with it that was finished."""

import re
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import yaml
from helpers import FakeStep, Recorder, TimedStep

from tsprune.engine import cluster
from tsprune.engine.cluster import DaskExecutor, dask_workers, problems
from tsprune.engine.executors import Lost, WorkerDied
from tsprune.engine.grid import run_grid
from tsprune.engine.progress import Progress
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.places import project_root
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address():
    """Of a scheduler with two worker processes, as they would be started by hand."""
    how = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None, "silence_logs": "CRITICAL"}
    with distributed.LocalCluster(n_workers=2, host="127.0.0.1", **how) as workers:
        yield workers.scheduler_address


@pytest.fixture
def make(tmp_path):
    (tmp_path / "log").touch()
    return lambda name, act="ok", after=(), **more: FakeStep(
        name=name, log=str(tmp_path / "log"), act=act, after=after, **more
    )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def run(steps, store, maker, progress=None, jobs=0):
    return run_grid(steps, store, make_executor=maker, jobs=jobs, progress=progress or Recorder())


def ran(step) -> list[str]:
    return open(step.log).read().split()


def test_what_ran_on_a_worker_that_is_killed_runs_on_another(address, make, store):
    slow, quick = make("slow", "die-once"), make("quick")
    steps = [slow, quick, make("after", after=(quick,)), make("wrong", "error")]
    progress = Recorder(0)
    rows = run(steps, store, dask_workers(address, 0, {}), progress)
    assert [rows[step.key]["status"] for step in steps] == ["ok", "ok", "ok", "failed"]
    assert sorted(ran(slow)) == ["after", "quick", "slow", "slow", "wrong"]
    assert [store.row(step.key) for step in steps] == [rows[step.key] for step in steps]
    assert "4 steps, 0 of them in the store, as many at a time as there are workers" in progress.news[0]
    (told,) = (line for line in progress.news if "it is run again" in line)
    assert re.search(r"slow: worker tcp://127\.0\.0\.1:\d+ died; it is run again \(1 of 3 times lost\)$", told)


def test_numbers_are_those_of_a_local_run_bit_for_bit(address, tmp_path, smoke, few):
    small = {"models": ["DLinear"], "densities": [1.0, 0.5], "scopes": ["layer"]}

    def result(place: str, maker=None, **more):
        config = PruningSweep.parse(smoke | few | small | {"store": str(tmp_path / place)} | more)
        table = PruningSweepCells(config).run(make_executor=maker, progress=Progress()).tidy
        return table[table["kind"] == "result"].drop(columns="threads").reset_index(drop=True)

    here = result("here", lambda: ThreadPoolExecutor(1), jobs=1)
    there = result("there", executor="dask", scheduler=address, jobs=0)
    assert there.equals(here) and set(here["status"]) == {"ok"}


def test_no_scheduler_is_one_line(make, store, monkeypatch):
    monkeypatch.setattr(cluster, "_ANSWERS_WITHIN", 0.2)
    with pytest.raises(UserError, match=r"^scheduler tcp://127\.0\.0\.1:9: does not answer \(.*\)$"):
        run([make("a")], store, dask_workers("tcp://127.0.0.1:9", 1, {}))


def test_workers_of_several_threads_are_refused():
    client = SimpleNamespace(status="running", nthreads=lambda: {"tcp://a": 1, "tcp://b": 4})
    with pytest.raises(UserError, match="worker tcp://b has 4 threads: start it with --nthreads 1 --nworkers 4"):
        DaskExecutor(client).slots()


class Loses(Executor):
    """Runs ``good``; a step called ``bad`` it loses, as often as there is something ``left``."""

    def __init__(self, left: list[Exception]):
        self.left = left

    def submit(self, work, step, *given) -> Future:
        future = Future()
        if step.name == "bad" and self.left:
            future.set_exception(self.left.pop())
        else:
            future.set_result(work(step, *given))
        return future


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize(
    ("error", "makers", "reason"),
    [
        (WorkerDied("worker x died"), 1, "its worker died 3 times (worker x died); out of memory?"),
        (Lost("its scheduler is gone"), None, "its scheduler is gone, 3 times"),
    ],
)
def test_a_step_that_is_lost_three_times_is_a_failed_row_and_others_have_theirs(
    make, store, times, error, makers, reason
):
    left, made = [error] * times, []

    def maker():
        made.append(Loses(left))
        return made[-1]

    steps = [make("bad"), make("good")]
    bad, good = run(steps, store, maker, jobs=2).values()
    assert len(made) == (makers or 1 + times) and good["status"] == "ok"
    assert (bad["status"], bad["reason"]) == (("ok", None) if times == 2 else ("failed", reason))
    assert ran(steps[0]).count("good") == 1


def test_a_step_that_measures_time_runs_on_the_machine_that_it_names(make, store, monkeypatch):
    monkeypatch.setattr(cluster, "local_processes", lambda jobs: lambda: ThreadPoolExecutor(jobs))
    client = SimpleNamespace(status="running", cancel=lambda *_, **__: None, close=lambda timeout: None)
    client.nthreads = lambda: {}
    timed = TimedStep(name="timed", log=make("a").log)
    assert run([timed], store, lambda: DaskExecutor(client))[timed.key]["status"] == "ok"


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({}, "scheduler: give one kind of cluster with options, not 0; known: HTCondorCluster, "),
        ({"SlurmCluster": {}}, "scheduler: unknown kind of cluster 'SlurmCluster'; did you mean 'SLURMCluster'?"),
        ({"SLURMCluster": {"cores": 1, "wall_time": "1"}}, "SLURMCluster: unknown option 'wall_time'; did you mean"),
        ({"SLURMCluster": {"cores": 4}}, "SLURMCluster: processes must equal cores: each worker has one thread"),
    ],
)
def test_a_queue_that_cannot_be_asked_is_told_before_anything_runs(block, told):
    (line,) = problems(block)
    assert told in line


def test_without_dask_a_line_says_what_to_install(monkeypatch, smoke, make, store):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert list(problems("tcp://a:1")) == [cluster.INSTALL]
    with pytest.raises(UserError, match="python -m pip install"):
        run([make("a")], store, dask_workers(None, 1, {}))
    with pytest.raises(UserError, match="python -m pip install"):
        PruningSweepCells(PruningSweep.parse(smoke | {"executor": "dask"})).run()
    with pytest.raises(UserError, match="scheduler: only for executor = 'dask'"):
        PruningSweep.parse(smoke | {"scheduler": "tcp://a:1"})


def test_the_queue_of_the_docs_asks_for_workers_of_one_thread_that_leave_in_time(smoke):
    """As far as that goes without SLURM: its block as a study takes it, and the script that would be handed in."""
    from dask_jobqueue.slurm import SLURMJob

    (block,) = re.findall(r"```yaml\n(.*?)```", (project_root() / "docs" / "cluster.md").read_text(), re.S)
    config = PruningSweep.parse(smoke | yaml.safe_load(block))
    assert list(problems(config.scheduler)) == []
    options = {name: value for name, value in config.scheduler["SLURMCluster"].items() if name != "n_workers"}
    script = SLURMJob("tcp://head:8786", name="worker", **options).job_script()
    for part in ("#SBATCH -t 08:00:00", "--nthreads 1", "--lifetime 7h --lifetime-stagger 30m", ".venv/bin/activate"):
        assert part in script
