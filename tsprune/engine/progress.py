"""What is done, running and left, for three audiences: a terminal, a live notebook, a batch run's log."""

import html
import os
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tsprune.engine.step import NOT_RUN, Step

LINES_VARIABLE = "TSPRUNE_PROGRESS"
"""Set to ``lines`` in the environment, a notebook prints a line per step instead of updating one in place."""


class Progress:
    """Counts and times the steps of one run. This class is silent; its subclasses show it."""

    def __init__(self, jobs: int = 1):
        self.jobs = jobs
        self.total = self.done = 0
        self.lost: Counter[str] = Counter()
        """How many ended without a result, by status."""
        self.running: dict[str, Step] = {}
        self._began: dict[str, float] = {}
        self._known: dict[str, float | None] = {}
        self._left: dict[tuple, _Left] = defaultdict(_Left)
        self._seconds: dict[tuple | str, list[float]] = defaultdict(list)

    def start(
        self,
        total: int,
        from_store: int,
        waiting: list[Step],
        known: Callable[[Step], float | None] = lambda step: None,
    ) -> None:
        """``known``: seconds that a step took in earlier runs, None where that is not known."""
        self.total, self.done = total, from_store
        self._known = {step.key: known(step) for step in waiting}
        for step in waiting:
            self._left[_alike(step)].count(1, self._known[step.key])
        width = f"{self.jobs} at a time" if self.jobs else "as many at a time as there are workers"
        self.show(f"{total} steps, {from_store} of them in the store, {width}")

    def begin(self, step: Step) -> None:
        self.running[step.key] = step
        self._began[step.key] = time.monotonic()

    def end(self, step: Step, row: dict) -> str:
        """Count a finished step; returns a line about it, to be shown once the next steps have started."""
        self.running.pop(step.key, None)
        self.done += 1
        if row["status"] != "ok":
            self.lost[row["status"]] += 1
        self._left[_alike(step)].count(-1, self._known.get(step.key))
        took = time.monotonic() - self._began.pop(step.key, time.monotonic())
        if row["status"] == "ok":
            for alike in (_alike(step), step.kind):
                self._seconds[alike].append(took)
            mse = row["result"].get("mse")
            return f"{step.label}: MSE {mse:.4f} ({took:.1f} s)" if mse is not None else f"{step.label} ({took:.1f} s)"
        return f"{step.label}: {row['status'].upper()}, {row['reason']}"

    def finish(self) -> None:
        waiting = self.lost[NOT_RUN]
        lost = ", ".join(f"{count} {status}" for status, count in self.lost.items() if status != NOT_RUN)
        done = f"{self.total - waiting} of {self.total} steps done, {waiting} not run" if waiting else "all steps done"
        self.show(f"{done}, {self.lost.total() - waiting} without a result ({lost})" if lost else done)

    def stop(self) -> str:
        """End the display of a run that is interrupted; returns the line about it."""
        self.running.clear()
        text = f"stopped; {self.done - self.lost.total()} of {self.total} kept; run again to go on"
        self.show(text)
        return text

    def say(self, text: str) -> None:
        """A message that must not be lost."""
        self.show(text)

    def eta(self) -> tuple[float, int]:
        """Seconds left for the steps whose time can be told, and how many those are. The time of a step is taken from
        steps of this run of its kind, model and width; else from earlier runs; else from steps of its kind in this run.
        """
        seconds, told = 0.0, 0
        for alike, left in self._left.items():
            if seen := self._seconds.get(alike):
                seconds, told = seconds + left.steps * mean(seen), told + left.steps
                continue
            seconds, told = seconds + left.seconds, told + left.known
            if seen := self._seconds.get(alike[0]):
                seconds, told = seconds + (left.steps - left.known) * mean(seen), told + left.steps - left.known
        return seconds / max(1, self.jobs), told

    def state(self) -> str:
        left = self.total - self.done
        text = f"{self.done}/{self.total} done, {len(self.running)} running, {left - len(self.running)} waiting"
        if not left:
            return text
        seconds, told = self.eta()
        if not told:
            return f"{text}, time left not known yet"
        return f"{text}, about {_clock(seconds)} left" + (f" for {told} of them" if told < left else "")

    def show(self, news: str) -> None:
        """Show ``news`` and, as it suits, the state."""


class LineProgress(Progress):
    """A line per finished step: for logs, and for the terminal behind a batch run."""

    def show(self, news: str) -> None:
        print(f"[{self.state()}] {news}", flush=True)


class NotebookProgress(Progress):
    """One display that is updated in place, and while it is out of sight a copy in the corner of the window: "Run All"
    scrolls to the last cell. An executed notebook keeps its last state only."""

    def __init__(self, jobs: int):
        super().__init__(jobs)
        from IPython.display import Javascript, display

        self._messages: list[str] = []
        self._name = f"progress-{uuid.uuid4().hex[:8]}"
        self._handle = display(self._html("looking up which steps there are"), display_id=True)
        script = (Path(__file__).parent / "in_sight.js").read_text().replace("NAME", self._name)
        self._corner = display(Javascript(script), display_id=True)

    def finish(self) -> None:
        super().finish()
        self._end()

    def stop(self) -> str:
        text = super().stop()
        self._end()
        return text

    def _end(self) -> None:
        """Without the bar's name the copy goes, and the notebook keeps no script."""
        from IPython.display import HTML

        self._name = ""
        self._handle.update(self._html(self._news))
        self._corner.update(HTML(""))

    def say(self, text: str) -> None:
        self._messages.append(text)
        self.show(text)

    def show(self, news: str) -> None:
        self._handle.update(self._html(news))

    def _html(self, news: str):
        from IPython.display import HTML

        self._news = news
        running = "; ".join(step.label for step in self.running.values())
        kept = "".join(f"<br>{html.escape(text)}" for text in self._messages)
        state = f"{html.escape(self.state())}<br>" if self.total else ""  # 0 until it is known which steps there are
        return HTML(
            f'<p class="progress" id="{self._name}"><progress max="{max(self.total, 1)}" value="{self.done}">'
            f"</progress> {state}<small>{html.escape(news)}"
            f"{'<br>running: ' + html.escape(running) if running else ''}{kept}</small></p>"
        )


def make_progress(jobs: int) -> Progress:
    """The one that suits: a line per step, or one display in a notebook unless its runner asked for lines."""
    if os.environ.get(LINES_VARIABLE) == "lines" or not _in_a_kernel():
        return LineProgress(jobs)
    return NotebookProgress(jobs)


def _in_a_kernel() -> bool:
    """Whether this program is a notebook's kernel, and not one that has merely loaded what a kernel is made of."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


@dataclass
class _Left:
    """Steps that are alike and still to be done, and what earlier runs know of their time."""

    steps: int = 0
    known: int = 0
    seconds: float = 0.0

    def count(self, sign: int, seconds: float | None) -> None:
        self.steps += sign
        if seconds is not None:
            self.known += sign
            self.seconds += sign * seconds


def _alike(step: Step) -> tuple:
    protocol = step.protocol()
    return step.kind, protocol.get("model"), protocol.get("d_model")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 100:
        return f"{minutes / 60:.1f} hours"
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
