"""Times of another machine are shown where there is no time to measure, and give way to those of this one."""

import time

import pytest
from helpers import FakeStep, Recorder, TimedStep

from tsprune.engine.executors import cores
from tsprune.steps.archive import Archive
from tsprune.study.base.cells import Cells
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


class Timed(TimedStep):
    def protocol(self) -> dict:
        return {"method": "latency", "model": self.name}


class Plain(FakeStep):
    def protocol(self) -> dict:
        return {"method": "dense", "model": self.name}


@pytest.fixture
def study(tmp_path, smoke, few, threads, monkeypatch):
    """``study(store)``: a function that computes steps there, with an archive of the test's own."""
    monkeypatch.setattr(Cells, "archive", property(lambda cells: Archive(tmp_path / "results")))

    def study(store: str):
        cells = PruningSweepCells(PruningSweep.parse(smoke | few | {"store": str(tmp_path / store), "jobs": 1}))

        def compute(*steps, budget: bool = False) -> dict[str, dict]:
            until = time.monotonic() if budget else None
            rows = cells.compute(steps, make_executor=threads, progress=Recorder(), deadline=until)
            return {step.name: rows[step.key] for step in steps}

        compute.cells = cells
        return compute

    return study


@pytest.fixture
def steps(tmp_path):
    """A step that times what it makes, a training, and times of what was trained; what ran, in order."""
    log = tmp_path / "log"
    log.touch()
    trained = Plain(name="trained", log=str(log))
    times = Timed(name="times", log=str(log))
    return times, trained, Timed(name="of-trained", log=str(log), after=(trained,)), lambda: log.read_text().split()


def test_times_out_of_the_archive_are_measured_once_there_is_time(study, steps):
    times, trained, of_trained, ran = steps
    theirs = study("theirs")
    theirs(times, trained, of_trained)
    theirs.cells.archive.add(
        "06_inference", "few", [step.key for step in (times, trained, of_trained)], theirs.cells.store
    )
    before = len(ran())

    ours = study("ours")
    shown = ours(times, trained, of_trained, budget=True)
    assert len(ran()) == before and all(row["archived"] for row in shown.values())

    measured = ours(times, trained, of_trained)
    assert ran()[before:] == ["times"], "what takes trainings may be the archive's"
    assert "archived" not in measured["times"] and measured["of-trained"]["archived"]
    assert measured["times"]["result"] != shown["times"]["result"]

    for budget in (False, True):
        assert ours(times, trained, of_trained, budget=budget) == measured
    assert len(ran()) == before + 1


def test_a_damaged_row_of_times_is_named_and_measured(study, steps):
    times, *_, ran = steps
    ours = study("ours")
    ours(times)
    (ours.cells.store.folder(times.key) / "row.json").write_text("{}")
    assert ours(times)["times"]["status"] == "ok" and ran() == ["times", "times"]


def test_the_page_names_the_machine_that_trained_its_models_and_not_the_one_that_renders_it(study):
    cells = study("ours").cells
    own = {step.key: {"protocol": {"device": "cpu"}, "made": {"cores": 48}} for step in cells.base.dense}
    cells.rows.update(own)
    assert cells._machine() == "48 cores"
    cells.rows[cells.base.dense[0].key] = {"protocol": {"device": "cpu"}}
    assert cells._machine() == ("48 cores" if len(own) > 1 else f"{cores()} core{'s' if cores() > 1 else ''}")
