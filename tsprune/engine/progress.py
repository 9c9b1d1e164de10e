"""What is done, running and left, for three audiences: a terminal, a live notebook, a batch run's log."""

import html
import os
import sys
import time
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import TextIO

from tsprune.engine.step import Step

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
        self._left: dict[str, int] = defaultdict(int)
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def start(self, total: int, from_store: int, waiting: list[Step]) -> None:
        self.total, self.done = total, from_store
        for step in waiting:
            self._left[step.kind] += 1
        self.show(f"{total} steps, {from_store} of them in the store, {self.jobs} at a time")

    def begin(self, step: Step) -> None:
        self.running[step.key] = step
        self._began[step.key] = time.monotonic()

    def end(self, step: Step, row: dict) -> str:
        """Count a finished step; returns the line about it, to be shown once the next steps are on their way."""
        self.running.pop(step.key, None)
        self.done += 1
        if row["status"] != "ok":
            self.lost[row["status"]] += 1
        self._left[step.kind] -= 1
        took = time.monotonic() - self._began.pop(step.key, time.monotonic())
        if row["status"] == "ok":
            self._seconds[step.kind].append(took)
            mse = row["result"].get("mse")
            return f"{step.label}: MSE {mse:.4f} ({took:.1f} s)" if mse is not None else f"{step.label} ({took:.1f} s)"
        return f"{step.label}: {row['status'].upper()}, {row['reason']}"

    def finish(self) -> None:
        lost = ", ".join(f"{count} {status}" for status, count in self.lost.items())
        self.show(f"all steps done, {self.lost.total()} without a result ({lost})" if lost else "all steps done")

    def stop(self) -> str:
        """End the display of a run that is interrupted; returns the line about it."""
        self.running.clear()
        text = f"stopped; {self.done - self.lost.total()} of {self.total} kept; run again to go on"
        self.show(text)
        return text

    def say(self, text: str) -> None:
        """A message that must not be lost."""
        self.show(text)

    def eta(self) -> float | None:
        """Seconds left, from the mean time of each kind of step; None until every kind that is left was seen."""
        left = 0.0
        for kind, count in self._left.items():
            if count and not self._seconds[kind]:
                return None
            if count:
                left += count * sum(self._seconds[kind]) / len(self._seconds[kind])
        return left / self.jobs

    def state(self) -> str:
        eta = self.eta()
        left = self.total - self.done
        time_left = "" if not left else ", time left unknown yet" if eta is None else f", about {_clock(eta)} left"
        return (
            f"{self.done}/{self.total} done, {len(self.running)} running, {left - len(self.running)} waiting{time_left}"
        )

    def show(self, news: str) -> None:
        """Show ``news`` and, as it suits, the state."""


class LineProgress(Progress):
    """A line per finished step: for logs, and for the terminal behind a batch run."""

    def __init__(self, jobs: int, stream: TextIO | None = None):
        super().__init__(jobs)
        self.stream = stream or sys.stdout

    def show(self, news: str) -> None:
        print(f"[{self.state()}] {news}", file=self.stream, flush=True)


class NotebookProgress(Progress):
    """One display that is updated in place, and while it is out of sight a copy in the corner of the window: "Run All"
    scrolls to the last cell. An executed notebook keeps its last state only."""

    def __init__(self, jobs: int):
        super().__init__(jobs)
        from IPython.display import Javascript, display

        self._messages: list[str] = []
        self._name = f"progress-{uuid.uuid4().hex[:8]}"
        self._handle = display(self._html(""), display_id=True)
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
        return HTML(
            f'<p class="progress" id="{self._name}"><progress max="{max(self.total, 1)}" value="{self.done}">'
            f"</progress> {html.escape(self.state())}<br><small>{html.escape(news)}"
            f"{'<br>running: ' + html.escape(running) if running else ''}{kept}</small></p>"
        )


def make_progress(jobs: int) -> Progress:
    """The one that suits: a line per step, or one display in a notebook unless its runner asked for lines."""
    if os.environ.get(LINES_VARIABLE) == "lines" or "ipykernel" not in sys.modules:
        return LineProgress(jobs)
    return NotebookProgress(jobs)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
