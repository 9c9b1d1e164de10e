"""A bar that stays in sight while a notebook runs, and leaves no script behind."""

import IPython.display
import pytest
from helpers import FakeStep

from tsprune.engine.progress import NotebookProgress


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
