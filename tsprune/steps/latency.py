"""Steps that time models side by side, and the one that times trained and pruned models in PyTorch."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import pandas as pd
from pydantic import Field

from tsprune import measure
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.measure.latency import Variant
from tsprune.steps.data import first_windows
from tsprune.steps.model import ModelStep


class TimedStep(Step):
    """Base of the steps that time models side by side, with nothing else of the study running.

    Times hold for one machine, so its processor and accelerator are part of the identity.
    """

    alone: ClassVar[bool] = True
    longer: ClassVar[int]
    """How many times the rounds asked for there may be, where a speedup is not known to a tenth after them."""
    of: Annotated[tuple[ModelStep, ...], Field(min_length=1)]
    """What is timed; the first is the baseline of the speedups."""
    batch_sizes: tuple[int, ...]
    """Windows forecast at once."""
    threads: int = 1
    repeats: int
    """Rounds asked for."""

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "of": [step.key for step in self.of],
            "batch_sizes": list(self.batch_sizes),
            "threads": self.threads,
            "repeats": self.repeats,
            "most": self.longer * self.repeats,
            "precision": measure.PRECISION,
            "machine": list(measure.machine()),
        }

    @property
    def needs(self) -> tuple[Step, ...]:
        return self.of

    def times(self, variants: Mapping[str, Variant], warm: bool) -> pd.DataFrame:
        """As :func:`tsprune.measure.measure_latency` gives them."""
        most = self.longer * self.repeats
        how = {"threads": self.threads, "repeats": self.repeats, "most": most, "warm": warm}
        return measure.measure_latency(variants, self.batch_sizes, **how)


class LatencyStep(TimedStep):
    """Latency of the models that ``of`` keeps, interleaved, on the same windows."""

    kind: ClassVar[str] = "latency"
    longer: ClassVar[int] = 2
    name: str
    """What is timed, for the progress line."""
    batch_sizes: tuple[int, ...] = (1, 3, 32)
    """3 is what the first paper's code times."""
    repeats: int = 30

    @property
    def label(self) -> str:
        return f"{self.name}: latency of {len(self.of)} models"

    def protocol(self) -> dict:
        return {"method": "latency", "model": self.name, "threads": self.threads}

    def run(self, store: Store) -> Outcome:
        data, device = self.of[0].place
        inputs = first_windows(data.splits(device).test, max(self.batch_sizes))
        variants = {step.key: (step.load(store), inputs) for step in self.of}
        # Not warm, because the rows that ship were timed so: to time them again would take their trainings.
        table = self.times(variants, warm=False)
        return Outcome({}, {"latency": plain_records(table.rename(columns={"variant": "key"}))}, {})


def plain_records(table: pd.DataFrame) -> list[dict]:
    """A record per row for JSON, which has no NaN: None instead."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
