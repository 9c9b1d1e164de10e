"""Study 06: from a config to tidy tables."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import pandas as pd

from tsprune.engine.store import Corrupt
from tsprune.report.text import counted
from tsprune.steps.inference import LONGER, InferenceStep
from tsprune.study.base.cells import Cells
from tsprune.study.base.protocol import archived, data_lines
from tsprune.study.base.result import tidy
from tsprune.study.base.shared import Base, base_steps
from tsprune.study.base.units import unit_of
from tsprune.study.base.words import missing_words
from tsprune.study.inference.config import Inference
from tsprune.study.inference.elsewhere import timed_elsewhere
from tsprune.study.inference.result import SPEEDS, InferenceResult
from tsprune.training import device_type

_ON_GPU = ", between two events on the GPU, exact float32 (no TF32); in PyTorch the processor starts every operator"

_WARM = (
    ", each timed call of less than a tenth of a second right after one of the same form, as where a service runs one "
    "model"
)


class InferenceCells(Cells[Inference, InferenceResult]):
    """Every model in every form and runtime."""

    @cached_property
    def base(self) -> Base:
        """Only the data: no errors are needed, so nothing is trained and there are no naive forecasts."""
        return replace(base_steps(self.config, self.tables), naive=(), dense=())

    def steps(self) -> list[InferenceStep]:
        return self._steps

    @cached_property
    def _steps(self) -> list[InferenceStep]:
        """Where nothing may be begun, what was not measured here is what another machine's rows say, if any do."""
        if self.config.budget_hours != 0:
            return self._here
        lines = self.archive.lines.values()
        return [step if self._is_there(step) else timed_elsewhere(step, lines) for step in self._here]

    def _is_there(self, step: InferenceStep) -> bool:
        """Whether the store has its row; one that is damaged tells nothing."""
        with suppress(Corrupt):
            return self.store.row(step.key) is not None
        return False

    @cached_property
    def _here(self) -> list[InferenceStep]:
        config = self.config
        return [
            InferenceStep(
                data=spec,
                model=model,
                hyper=config.hyper(),
                narrower=tuple((share, config.narrower(share)) for share in config.width_shares),
                densities=tuple(config.densities),
                runtimes=config.runtimes_there(),
                device=self._place,
                batch_sizes=tuple(config.batch_sizes),
                threads=config.threads,
                repeats=config.rounds,
                seed=config.seeds[0],
            )
            for spec in self.base.specs
            for model in config.models
        ]

    def gather(self) -> InferenceResult:
        steps = self.steps()
        nothing = pd.DataFrame(columns=["dataset", "pred_len", "model", "mse", "mae", "status", "reason"])
        return InferenceResult(
            tidy=tidy(self.rows.values()),
            cells=self.frame(steps),
            naive=nothing,
            published=pd.DataFrame(),
            data_notes=self.data_notes(),
            stands_in_for=self.base.table.stands_in_for,
            size=self._size(),
            protocol=self._protocol(),
            units=pd.DataFrame(),
            unit=unit_of(self.base.table),
            missing=missing_words(self.rows.values()),
            speeds=pd.DataFrame(self._speeds(steps), columns=SPEEDS),
        )

    def _speeds(self, steps: list[InferenceStep]) -> Iterator[dict]:
        for step in steps:
            row = self.rows[step.key]
            head = {name: row["protocol"][name] for name in ("dataset", "model", "pred_len")}
            head["machine"] = row.get("made", {}).get(self._part)
            yield from (head | record for record in row["detail"].get("speeds", ()))

    def _size(self) -> str:
        c = self.config
        size = f"d_model {c.d_model}, d_ff {c.d_ff}, {counted(c.e_layers, 'encoder layer')}"
        papers = "the papers' size" if (c.d_model, c.d_ff, c.e_layers) == (512, 2048, 2) else "not the papers' size"
        machines = self._machines()
        where = f"on {machines}" if machines else "not timed yet"
        return f"Models of {size}, {papers}, {where}; weights drawn at random, nothing trained."

    def _protocol(self) -> dict[str, str]:
        c = self.config
        details = [self.rows[step.key]["detail"] for step in self.steps()]
        kernels = sorted({detail["kernel"] for detail in details if "kernel" in detail})
        records = [record for detail in details for record in detail.get("speeds", ())]
        on_gpu = _ON_GPU if self._place == "cuda" else ""
        loads = sorted({record["load"] for record in records if "load" in record})
        return {
            **data_lines(self.base.table, c),
            "models": f"d_model {c.d_model}, heads {c.n_heads}, encoder layers {c.e_layers}, decoder layers "
            f"{c.d_layers}, d_ff {c.d_ff}; weights as they are drawn (seed {c.seeds[0]}): times depend on shapes and "
            "on where zeros lie, not on what weights have learned",
            "zeros": {
                "cpu": "the smallest weights of each tensor; with the sparse kernel every layer that has a sparse form",
                "cuda": "the smallest weights of each tensor, at the lowest density alone; 2:4: the smaller two of "
                "each four neighbours in a row of a linear layer, packed where both its sides are multiples of 64",
            }[self._place],
            "narrow": "d_model and d_ff alike; as many heads and layers",
            "times": f"{counted(c.threads, 'thread')}{on_gpu}; everything in turn, {c.rounds} to "
            f"{LONGER * c.rounds} rounds, as time allows{_WARM}; nothing else of the study running",
            "speedup": "median over the rounds of the time of the dense model in eager PyTorch, float32, over the time "
            "of the variant in the same round, with its 95 % interval, however wide; not measurable: the threads "
            "shared their cores with other processes",
            **archived(self.rows),
            "machine": f"{self._machines()}; while times were taken {' / '.join(loads)}" if loads else "not timed yet",
            **({"kernel": " / ".join(kernels) or "none"} if self._place == "cpu" else {}),
        }

    @property
    def _place(self) -> str:
        return device_type(self.config.device)

    def _machines(self) -> str:
        """What the times were taken on; empty where there are none."""
        made = (self.rows[step.key].get("made") for step in self.steps())
        return " / ".join(sorted({one[self._part] for one in made if one}))

    @property
    def _part(self) -> str:
        """What ``made`` calls the part of a machine that is timed."""
        return {"cpu": "processor", "cuda": "accelerator"}[self._place]
