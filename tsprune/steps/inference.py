"""A step that times what pruning is worth on a CPU: one forecaster dense, with zeros, narrower, in several runtimes.

Nothing is trained. How long a forecast takes depends on a model's shape and on where its zeros lie, not on what its
weights have learned: random weights, masked by magnitude, take as long.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from tsprune import measure
from tsprune.deploy.kernels import best
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.measure import count_macs
from tsprune.models import Forecaster, create_model
from tsprune.pruners import apply_masks, magnitude_masks
from tsprune.steps.data import DataSpec
from tsprune.steps.latency import plain_records
from tsprune.steps.runtimes import BFLOAT16, EAGER, INT8, ONNX, SPARSE, Runnable, runnable

LONGER = 5
"""Times as many rounds as are asked for, at most, for what is then not known to a tenth."""

_WARMUP, _COMPARED = 1, 3


class InferenceStep(Step):
    """Times of one forecaster in every form and runtime, in every round one of each; the baseline is the dense model in
    eager PyTorch, float32.

    ``detail["speeds"]`` has a record per form, runtime and batch size: ``form`` (dense, zeros, narrow), ``share`` (the
    density of the zeros, or the narrow model's share of the widths), ``runtime``, the columns of
    :func:`tsprune.measure.measure_latency`, ``macs_share`` of the multiply-adds that are left, ``bytes`` of the
    weights, ``difference`` of a forecast from that of the same model in eager float32; or a ``reason`` why it was not
    timed.
    """

    kind: ClassVar[str] = "inference"
    alone: ClassVar[bool] = True
    data: DataSpec
    model: str
    hyper: dict[str, Any]
    """What the model's config needs beside the data's geometry."""
    narrower: tuple[tuple[float, dict[str, Any]], ...]
    """Other widths: the share of the widths that they are, and the same again."""
    densities: tuple[float, ...]
    """Of the prunable weights, each tensor cut alike."""
    runtimes: tuple[str, ...]
    """Of RIVALS, to be timed beside eager PyTorch."""
    batch_sizes: Annotated[tuple[int, ...], Field(min_length=1)]
    threads: int
    repeats: int
    """Rounds; up to :data:`LONGER` times as many for those whose speedup is then not known to a tenth."""
    seed: int

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "columns": self.data.columns,
            **self.model_dump(mode="json", exclude={"data"}),
            "lengths": [self.data.seq_len, self.data.label_len, self.data.pred_len],
            "freq": self.data.freq,
            "most": LONGER * self.repeats,
            "precision": measure.PRECISION,
            "machine": list(measure.machine()),
            "kernel": best().path,
            "runtime": measure.version_of("onnxruntime"),
        }

    @property
    def label(self) -> str:
        return f"{self.model}: what pruning is worth in time"

    def protocol(self) -> dict:
        return {
            **self.data.protocol(),
            "model": self.model,
            "seed": self.seed,
            "method": "inference",
            "threads": self.threads,
            "device": "cpu",
        }

    def run(self, store: Store) -> Outcome:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return Outcome({}, {"speeds": self._speeds(), "kernel": str(best())}, {})
        finally:
            torch.set_num_threads(before)

    def _speeds(self) -> list[dict]:
        inputs = self._inputs()
        forms, calls, records = {}, {}, []
        with tempfile.TemporaryDirectory() as folder:
            for number, (form, share, runtimes, model, macs) in enumerate(self._forms(inputs)):
                place = Path(folder) / str(number)
                place.mkdir()
                for runtime in runtimes:
                    if runtime not in (EAGER, *self.runtimes):
                        continue
                    head = {"form": form, "share": share, "runtime": runtime, "macs_share": macs}
                    try:
                        found = runnable(model, runtime, place, self.threads)
                    except UserError as error:
                        records.append(head | {"reason": str(error)})
                        continue
                    name = f"{form} {share:g} {runtime}"
                    calls[name] = found.call
                    forms[name] = head | {"bytes": found.bytes, "difference": _difference(model, found, inputs)}
            table = measure.measure_latency(
                {name: (call, inputs) for name, call in calls.items()},
                self.batch_sizes,
                threads=self.threads,
                repeats=self.repeats,
                warmup=_WARMUP,
                most=LONGER * self.repeats,
            )
        known = pd.DataFrame.from_dict(forms, orient="index")
        return records + plain_records(table.join(known, on="variant").drop(columns=["variant", "baseline"]))

    def _forms(self, inputs: tuple[Tensor, ...]) -> Iterator[tuple[str, float, tuple[str, ...], Forecaster, float]]:
        """Form, share, the runtimes it is timed in, the model, its share of the multiply-adds; the baseline first."""
        dense = self._model(self.hyper)
        macs = count_macs(dense, inputs).macs_executed
        yield "dense", 1.0, (EAGER, BFLOAT16, ONNX, INT8), dense, 1.0
        for density in sorted(self.densities, reverse=True):
            masked = self._model(self.hyper)
            masks = magnitude_masks(masked, density=density, scope="layer")
            apply_masks(masked, masks)
            skipped = count_macs(masked, inputs, masks).macs_if_zeros_skipped
            zeros = (SPARSE, EAGER) if density == min(self.densities) else (SPARSE,)
            yield "zeros", density, zeros, masked, skipped / macs
        for share, hyper in self.narrower:
            narrow = self._model(hyper)
            yield "narrow", share, (EAGER, ONNX), narrow, count_macs(narrow, inputs).macs_executed / macs

    def _model(self, hyper: dict[str, Any]) -> Forecaster:
        torch.manual_seed(self.seed)
        return create_model(self.model, **self.data.geometry(), **hyper).eval()

    def _inputs(self) -> tuple[Tensor, ...]:
        """Windows of the test split, as many as the largest batch, or all."""
        windows = self.data.splits("cpu").test
        return windows.batch(torch.arange(min(max(self.batch_sizes), len(windows))))[:4]


@torch.inference_mode()
def _difference(model: Forecaster, found: Runnable, inputs: tuple[Tensor, ...]) -> float:
    """Largest difference of a few forecasts from eager float32, in standard deviations of the training rows."""
    few = tuple(values[:_COMPARED] for values in inputs)
    return (found.call(*few).float() - model(*few)).abs().max().item()
