"""A step that times what pruning is worth: one forecaster dense, with zeros, narrower, in several runtimes.

Nothing is trained. How long a forecast takes depends on a model's shape and on where its zeros lie, not on what its
weights have learned: random weights, masked by magnitude, take as long.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from tsprune import measure
from tsprune.cudnn import whole_float32
from tsprune.deploy.kernels import best
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.measure import count_macs
from tsprune.models import Forecaster, create_model
from tsprune.processor import on_threads
from tsprune.pruners import apply_masks, magnitude_masks, nm_masks
from tsprune.seeded import seeded
from tsprune.steps.data import DataSpec, first_windows
from tsprune.steps.latency import plain_records
from tsprune.steps.runtimes import (
    BFLOAT16,
    EAGER,
    GRAPH,
    GRAPH_BFLOAT16,
    GRAPH_TWO_OF_FOUR,
    INT8,
    ONNX,
    SPARSE,
    Runnable,
    onnx_runtime,
    runnable,
)
from tsprune.training import resolve_device

MACHINE = ("machine", "kernel", "runtime")
"""Entries of the identity that say on what the times were taken; on a GPU ``machine`` is the only one."""

LONGER = 5
"""How many times the rounds asked for there may be, where a speedup is not known to a tenth after them."""

_WARMUP, _COMPARED = 1, 3

_DENSE_IN = {"cpu": (EAGER, BFLOAT16, ONNX, INT8), "cuda": (EAGER, BFLOAT16, GRAPH, GRAPH_BFLOAT16)}
_ZEROS_IN = {"cpu": (SPARSE, EAGER), "cuda": (EAGER, GRAPH)}
_NARROW_IN = {"cpu": (EAGER, ONNX), "cuda": (EAGER, BFLOAT16, GRAPH, GRAPH_BFLOAT16)}
"""By device, the runtimes that the dense model, those with zeros and the narrow ones are timed in. Of the densities
only the lowest is timed in all of them, the others only where zeros are skipped."""


class _Form(NamedTuple):
    """A model to be timed in ``runtimes``, and its share of the dense one's multiply-adds."""

    form: str
    share: float
    runtimes: tuple[str, ...]
    model: Forecaster
    macs_share: float


class InferenceStep(Step):
    """Times of one forecaster in every form and runtime, in every round one of each, warm (see
    :func:`tsprune.measure.measure_latency`); the baseline is the dense model in eager PyTorch, float32.

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
    """Narrow models: the share of the dense model's widths that they have, and their ``hyper``."""
    densities: tuple[float, ...]
    """Of the prunable weights, each tensor cut alike."""
    runtimes: tuple[str, ...]
    """Of those that run on ``device``, to be timed beside eager PyTorch."""
    batch_sizes: Annotated[tuple[int, ...], Field(min_length=1)]
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int
    repeats: int
    """Rounds; up to :data:`LONGER` times as many for those whose speedup is then not known to a tenth."""
    seed: int
    elsewhere: dict[str, Any] | None = None
    """For a row of another machine: what its identity says of that one (:data:`MACHINE`). Such a step only finds the
    row in a store; it cannot run."""

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "columns": self.data.width,
            **self.model_dump(mode="json", exclude={"data", "device", "elsewhere"}),
            "lengths": [self.data.seq_len, self.data.label_len, self.data.pred_len],
            "freq": self.data.freq,
            "most": LONGER * self.repeats,
            "precision": measure.PRECISION,
            "warm": True,
            # Nothing of a device where it is the CPU, as it was before there was a choice.
            **({} if self.device == "cpu" else {"device": self.device}),
            **(self.elsewhere or self._machine()),
        }

    def _machine(self) -> dict[str, Any]:
        """This one, under the names of :data:`MACHINE`."""
        here = {"machine": list(measure.machine())}
        on_cpu = {"kernel": best().path, "runtime": onnx_runtime()}
        return here | on_cpu if self.device == "cpu" else here

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
            "device": self.device,
        }

    def run(self, store: Store) -> Outcome:
        if self.elsewhere:
            raise UserError(f"{self.label}: times of another machine are not measured on this one")
        kernel = {"kernel": str(best())} if self.device == "cpu" else {}
        with on_threads(self.threads):
            return Outcome({}, {"speeds": self._speeds()} | kernel, {})

    def _speeds(self) -> list[dict]:
        inputs = first_windows(self.data.splits(self.device).test, max(self.batch_sizes))
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
                        difference = _difference(model, found, inputs)
                    except UserError as error:
                        records.append(head | {"reason": str(error)})
                        continue
                    name = f"{form} {share:g} {runtime}"
                    calls[name] = found.call
                    forms[name] = head | {"bytes": found.bytes, "difference": difference}
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

    def _forms(self, inputs: tuple[Tensor, ...]) -> Iterator[_Form]:
        """The baseline first."""
        dense = self._model(self.hyper)
        macs = count_macs(dense, inputs).macs_executed
        yield _Form("dense", 1.0, _DENSE_IN[self.device], dense, 1.0)
        for density in sorted(self.densities, reverse=True):
            lowest = density == min(self.densities)
            if runtimes := tuple(name for name in _ZEROS_IN[self.device] if lowest or name == SPARSE):
                masked = self._model(self.hyper)
                masks = magnitude_masks(masked, density=density, scope="layer")
                yield _masked(masked, density, runtimes, masks, inputs, macs)
        if GRAPH_TWO_OF_FOUR in self.runtimes:
            masked = self._model(self.hyper)
            yield _masked(masked, 0.5, (GRAPH_TWO_OF_FOUR,), nm_masks(masked).masks, inputs, macs)
        for share, hyper in self.narrower:
            narrow = self._model(hyper)
            left = count_macs(narrow, inputs).macs_executed / macs
            yield _Form("narrow", share, _NARROW_IN[self.device], narrow, left)

    def _model(self, hyper: dict[str, Any]) -> Forecaster:
        with seeded(self.seed):
            model = create_model(self.model, **self.data.geometry(), **hyper)
        return model.eval().to(resolve_device(self.device))


def _masked(
    model: Forecaster,
    density: float,
    runtimes: tuple[str, ...],
    masks: dict[str, Tensor],
    inputs: tuple[Tensor, ...],
    macs: float,
) -> _Form:
    """``model`` with its masks applied; multiply-adds as if zeros were skipped."""
    apply_masks(model, masks)
    left = count_macs(model, inputs, masks).macs_if_zeros_skipped / macs
    return _Form("zeros", density, runtimes, model, left)


@torch.inference_mode()
@whole_float32()
def _difference(model: Forecaster, found: Runnable, inputs: tuple[Tensor, ...]) -> float:
    """Largest difference of a few forecasts from eager float32, in standard deviations of the training rows.

    A CUDA graph of so many windows is captured here, and timed later: float32 is whole here as it is there.
    """
    few = tuple(values[:_COMPARED] for values in inputs)
    return (found.call(*few).float() - model(*few)).abs().max().item()
