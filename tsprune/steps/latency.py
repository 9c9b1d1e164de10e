"""A step that times trained and pruned models side by side, with nothing else of the study running."""

from typing import Annotated, ClassVar

import pandas as pd
from pydantic import Field

from tsprune import measure
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.steps.data import first_windows
from tsprune.steps.model import ModelStep

_LONGER = 2
"""How many times the asked rounds there may be, on a machine whose times scatter."""


class LatencyStep(Step):
    """Latency of the models that ``of`` keeps, interleaved; the first is the baseline of the speedups.

    All have the same windows. Times hold for one machine, so its processor and accelerator are part of the identity.
    """

    kind: ClassVar[str] = "latency"
    alone: ClassVar[bool] = True
    name: str
    """What is timed, for the progress line."""
    of: Annotated[tuple[ModelStep, ...], Field(min_length=1)]
    batch_sizes: tuple[int, ...] = (1, 3, 32)
    """Windows forecast at once; 3 is what the first paper's code times."""
    threads: int = 1
    repeats: int = 30
    """Rounds; twice as many where the speedups are then not known to a tenth."""

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "of": [step.key for step in self.of],
            "batch_sizes": list(self.batch_sizes),
            "threads": self.threads,
            "repeats": self.repeats,
            "most": _LONGER * self.repeats,
            "precision": measure.PRECISION,
            "machine": list(measure.machine()),
        }

    @property
    def needs(self) -> tuple[Step, ...]:
        return self.of

    @property
    def label(self) -> str:
        return f"{self.name}: latency of {len(self.of)} models"

    def protocol(self) -> dict:
        return {"method": "latency", "model": self.name, "threads": self.threads}

    def run(self, store: Store) -> Outcome:
        data, device = self.of[0].place
        inputs = first_windows(data.splits(device).test, max(self.batch_sizes))
        variants = {step.key: (step.load(store), inputs) for step in self.of}
        # Each right after another, none after itself, as the rows that ship: to time them again takes their trainings.
        table = measure.measure_latency(
            variants,
            self.batch_sizes,
            threads=self.threads,
            repeats=self.repeats,
            most=_LONGER * self.repeats,
            warm=False,
        )
        return Outcome({}, {"latency": plain_records(table.rename(columns={"variant": "key"}))}, {})


def plain_records(table: pd.DataFrame) -> list[dict]:
    """A record per row for JSON, which has no NaN: None instead."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
