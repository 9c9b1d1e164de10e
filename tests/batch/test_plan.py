"""What a profile would compute: counted from the store and the archive, with why, and how long; nothing runs."""

import re

import profiles
import pytest
import yaml

from tsprune.batch.plan import nothing_to_run, plan_text
from tsprune.batch.profiles import plan_profile
from tsprune.engine.progress import Progress
from tsprune.engine.store import Store
from tsprune.steps.archive import Archive
from tsprune.study.base.cells import Cells
from tsprune.study.base.shared import Tables
from tsprune.study.inference.cells import InferenceCells
from tsprune.study.inference.config import Inference
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def plan(tmp_path, smoke, few, monkeypatch):
    """``plan(**changes)``: the text for study 01 with one small model, and an archive of the test's own: what the
    project ships tells times of steps, more with every row."""
    monkeypatch.setattr(Cells, "archive", property(lambda cells: Archive(tmp_path / "results")))

    def plan(**changes) -> str:
        small = {"models": ["DLinear"], "densities": [1.0, 0.5], "scopes": ["layer"], "jobs": 2}
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        given = smoke | few | small | {"store": str(tmp_path / "store")} | changes
        (folder / "01_pruning_sweep.yaml").write_text(yaml.safe_dump(given))
        (run,) = runs = plan_profile(str(folder), output=str(tmp_path / "out"))
        plan.runs, plan.config = runs, PruningSweep.parse(run.parameters)
        return plan_text(runs)

    return plan


def in_all(text: str) -> tuple[int, ...]:
    (line,) = re.findall(r"in all .*", text)
    return tuple(int(number) for number in re.findall(r"\d+", line))


def test_everything_is_to_run_at_first_and_nothing_once_it_has_and_why_is_said(plan, threads):
    text = plan()
    steps, stored, archived, todo = in_all(text)
    assert (stored, archived) == (0, 0) and todo == steps
    assert f"for {steps} of them no earlier step of their kind, model and width on cpu tells the time" in text
    assert "1 never run" in re.search(r"train .*", text).group()
    assert not nothing_to_run(plan.runs, Tables())
    PruningSweepCells(plan.config).run(make_executor=threads, progress=Progress())
    text = plan()
    assert nothing_to_run(plan.runs, Tables())
    assert in_all(text) == (steps, steps, 0, 0) and "of them" not in text

    text = plan(learning_rate=0.5)
    assert not nothing_to_run(plan.runs, Tables())
    assert "1 run with other data or another recipe" in re.search(r"train .*", text).group()
    naive = int(re.search(r"naive\s+(\d+)", text).group(1))
    assert in_all(text) == (steps, naive, 0, steps - naive)
    assert f"for {steps - naive} of them, 2 at a time: medians of steps of the same kind" in text

    assert "1 never run" in re.search(r"train .*", plan(seeds=[1, 2])).group()


def test_what_the_archive_has_need_not_run(plan, threads, tmp_path):
    plan()
    cells = PruningSweepCells(plan.config)
    cells.run(make_executor=threads, progress=Progress())
    archive = Archive(tmp_path / "results")
    archive.add("01_pruning_sweep", "few", [step.key for step in cells.base.dense], cells.store)
    steps, stored, archived, todo = in_all(plan(store=str(tmp_path / "empty")))
    assert (stored, archived, todo) == (0, 1, steps - 1)


def test_times_out_of_the_archive_are_to_be_measured(tmp_path, monkeypatch):
    """Whether they are in the store already, as after a run with no time, or not."""
    monkeypatch.setattr(Cells, "archive", property(lambda cells: Archive(tmp_path / "results")))
    given = profiles.parameters("smoke", "06_inference") | {"store": str(tmp_path / "theirs"), "models": ["DLinear"]}
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "06_inference.yaml").write_text(yaml.safe_dump(given))
    (run,) = runs = plan_profile(str(folder), output=str(tmp_path / "out"))
    cells = InferenceCells(Inference.parse(run.parameters))
    (step,) = cells.steps()
    told = {"status": "ok", "reason": None, "result": {}, "detail": {}, "cost": {"seconds": 60.0}, "made": {}}
    cells.store.put(step.identity(), {"kind": step.kind, "key": step.key, "protocol": step.protocol()} | told)
    assert in_all(plan_text(runs)) == (1, 1, 0, 0)

    cells.archive.add("06_inference", "few", [step.key], cells.store)
    cells.store.discard(step.key)
    for _ in range(2):
        text = plan_text(runs)
        assert in_all(text) == (1, 0, 0, 1) and "1 timed elsewhere" in text
        cells.archive.restore(step.key, Store(tmp_path / "theirs"))
