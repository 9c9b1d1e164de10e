"""A bar that stays in sight while a notebook runs, and leaves no script behind."""

from importlib import import_module
from types import SimpleNamespace

import IPython.display
import pytest
from helpers import FakeStep

from tsprune.engine.durations import Durations
from tsprune.engine.progress import LINES_VARIABLE, LineProgress, NotebookProgress, Progress, make_progress


@pytest.fixture
def shown(monkeypatch):
    """What the notebook's displays hold, in their order."""
    held: list = []

    class Handle:
        def __init__(self, content):
            self.place = len(held)
            held.append(content)

        def update(self, content):
            held[self.place] = content

    monkeypatch.setattr(IPython.display, "display", lambda content, display_id: Handle(content))
    return held


def step(name: str) -> FakeStep:
    return FakeStep(name=name, log="")


def test_the_bar_has_a_name_by_which_its_copy_finds_it_until_the_run_ends(shown):
    progress = NotebookProgress(1)
    assert "0/0" not in shown[0].data and "looking up which steps there are" in shown[0].data
    progress.start(2, 0, [step("a"), step("b")])
    bar, script = shown
    (name,) = {part for part in bar.data.split('"') if part.startswith("progress-")}
    assert f'getElementById("{name}")' in script.data
    progress.begin(step("a"))
    progress.show(progress.end(step("a"), {"status": "ok", "result": {"mse": 0.5}}))
    assert f'id="{name}"' in shown[0].data and 'max="2" value="1"' in shown[0].data
    progress.finish()
    assert name not in shown[0].data and "all steps done" in shown[0].data and shown[1].data == ""


def test_an_interrupted_run_ends_the_display_too(shown):
    progress = NotebookProgress(1)
    progress.start(2, 1, [step("<b>")])
    progress.begin(step("<b>"))
    progress.say("a message that stays")
    assert "running: &lt;b&gt;" in shown[0].data
    progress.stop()
    assert (
        "stopped; 1 of 2 kept; run again to go on" in shown[0].data and "running" not in shown[0].data.split("small")[1]
    )
    assert "a message that stays" in shown[0].data and shown[1].data == ""


@pytest.fixture
def progress(monkeypatch):
    """Progress over a clock of our own: ``finish(step, seconds)`` runs one."""
    told = Progress(2)
    monkeypatch.setattr("tsprune.engine.progress.time.monotonic", lambda: told.now)
    told.now = 0.0

    def finish(step: FakeStep, seconds: float, status: str = "ok") -> None:
        told.begin(step)
        told.now += seconds
        told.end(step, {"status": status, "reason": "", "result": {}})

    told.run = finish
    return told


def test_time_left_is_known_before_the_first_step_from_earlier_runs(progress):
    steps = [step(name) for name in "abcd"]
    progress.start(4, 0, steps, lambda step: {"a": 60, "b": 120}.get(step.name))
    assert progress.eta() == (90, 2)
    assert progress.state() == "0/4 done, 0 running, 4 waiting, about 1:30 min left for 2 of them"
    progress.run(steps[0], 10)
    assert progress.eta() == (15, 3), "steps alike in this run are the better guess"
    progress.run(steps[1], 20, status="failed")
    assert progress.eta() == (10, 2)


def test_time_left_is_unknown_where_nothing_tells(progress):
    progress.start(1, 0, [step("a")])
    assert progress.state().endswith("time left not known yet")
    progress.run(step("a"), 1)
    assert progress.state() == "1/1 done, 0 running, 0 waiting"


def row(kind: str, model: str, d_model: int, dataset: str, seconds: float, status: str = "ok") -> dict:
    protocol = {"model": model, "d_model": d_model, "dataset": dataset}
    return {"kind": kind, "status": status, "protocol": protocol, "cost": {"seconds": seconds, "peak_memory_mib": None}}


def test_the_closest_rows_tell_how_long_a_step_takes():
    class Train(FakeStep):
        kind = "train"
        model: str
        d_model: int

        def protocol(self):
            return {"model": self.model, "d_model": self.d_model, "dataset": "ILI"}

    known = Durations(
        [
            *(row("train", "M", 512, "ILI", seconds) for seconds in (1, 2, 30)),
            row("train", "M", 512, "ETTh1", 500),
            row("train", "N", 512, "ETTh1", 50),
            row("train", "N", 512, "ETTh1", 1, status="failed"),
            row("prune", "K", 512, "ILI", 7),
        ]
    )

    def seconds(model, d_model=512):
        return known.seconds(Train(name="x", log="", model=model, d_model=d_model))

    assert seconds("M") == 2 and seconds("N") == 50 and seconds("K") is seconds("M", 8) is None
    told = {"model": "M", "d_model": 512, "dataset": "ILI"}
    assert known.costs("train", told, "peak_memory_mib", "seconds") == (None, 2)


def test_what_was_tested_on_as_many_windows_in_so_many_tells_the_time_first():
    told = {"model": "M", "d_model": 512, "dataset": "ILI"}
    some = told | {"eval_stride": 5}
    rows = [row("prune", "M", 512, "ILI", 100), row("prune", "M", 512, "ILI", 20) | {"protocol": some}]
    assert Durations(rows).costs("prune", told, "seconds") == (100,)
    assert Durations(rows).costs("prune", some, "seconds") == (20,)
    assert Durations(rows[:1]).costs("prune", some, "seconds") == (100,), "better than nothing"


def test_other_data_takes_as_much_longer_as_it_is_longer():
    def over(windows: int | None, dataset: str, seconds: float, mib: float = 100):
        cost = {"seconds": seconds, "peak_memory_mib": mib}
        return row("train", "M", 512, dataset, seconds) | {"result": {"windows_test": windows}, "cost": cost}

    def costs(dataset, *rows, lengths={"short": 1000, "long": 30_000, "longer": 60_000}):  # noqa: B006
        told = {"model": "M", "d_model": 512, "dataset": dataset}
        return Durations(rows, lengths).costs("train", told, "seconds", "peak_memory_mib")

    assert costs("long", over(100, "short", 10), over(6000, "longer", 500)) == ((300 + 250) / 2, 100)
    assert costs("long", over(100, "short", 10), over(3000, "long", 7)) == (7, 100), "its own data is closer"
    assert costs("long", over(None, "short", 10)) == (10, 100), "went over no windows"
    assert costs("long", over(100, "mine", 10)) == costs("mine", over(100, "short", 10)) == (10, 100), "not known"


def test_a_program_that_has_loaded_what_kernels_are_made_of_is_no_notebook(shown, monkeypatch):
    import_module("ipykernel")
    monkeypatch.delenv(LINES_VARIABLE, raising=False)
    assert type(make_progress(1)) is LineProgress
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=object()))
    assert type(make_progress(1)) is NotebookProgress
