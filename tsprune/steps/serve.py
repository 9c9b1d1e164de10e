"""Steps that take a model out of PyTorch: exported, tested in the runtime that will serve it, and timed there."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from tsprune import measure
from tsprune.data import Splits
from tsprune.deploy.card import Card
from tsprune.deploy.export import export_onnx
from tsprune.deploy.in_place import InPlace, to_be_timed
from tsprune.deploy.kernels import best
from tsprune.deploy.model_card import card_text
from tsprune.deploy.network import Bare
from tsprune.deploy.onnx_file import join, read_onnx
from tsprune.deploy.quantise import in_int8
from tsprune.deploy.session import Session
from tsprune.deploy.sparse import SPARSE, sparsify
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.measure.latency import Variant
from tsprune.models import Forecaster
from tsprune.models.base import INPUTS
from tsprune.processor import on_threads
from tsprune.pruners.masks import Masks
from tsprune.steps.artifacts import error_columns, scores_file
from tsprune.steps.data import first_windows
from tsprune.steps.kept import leaving
from tsprune.steps.latency import TimedStep, plain_records
from tsprune.steps.model import ModelStep
from tsprune.steps.runtimes import onnx_runtime
from tsprune.training import TrainConfig, evaluate

Weights = Literal["float32", "int8"]

ONNX_FILE = "model.onnx"
CARD_FILE = "model.md"


class ServeStep(Step):
    """Exports a model in real units and tests the file on the validation and test windows in ONNX Runtime.

    The file and its model card are kept beside the row.
    """

    kind: ClassVar[str] = "serve"
    of: ModelStep
    weights: Weights = "float32"

    def identity(self) -> dict:
        return {"step": self.kind, "version": RESULTS_VERSION, "of": self.of.key, "weights": self.weights}

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.of,) if self.weights == "float32" else (self.of, ServeStep(of=self.of))

    @property
    def label(self) -> str:
        return f"{self.of.label.removesuffix(': training')}: exported, {self.weights}"

    def protocol(self) -> dict:
        return self.of.protocol() | {"served": self.weights}

    def run(self, store: Store) -> Outcome:
        splits = self.of.place[0].splits("cpu")
        card, content = self._exported(store) if self.weights == "float32" else self._quantised(store, splits)
        session = Session(content, self.label, threads=torch.get_num_threads())
        served, recipe = InPlace(card, session), TrainConfig(eval_batch_size=128)
        scores = evaluate(served, splits.test, recipe)
        result = {
            **error_columns(scores),
            "val_mse": evaluate(served, splits.val, recipe).mse,
            "bytes": len(content),
            "parameters": card.parameters,
            "macs_executed": card.macs,
            "density": card.density,
            "difference": card.difference,
        }
        origin = self.of.origin(store.row(self.of.key)["protocol"])
        kept = {
            ONNX_FILE: lambda path: path.write_bytes(content),
            CARD_FILE: lambda path: path.write_text(card_text(card, ONNX_FILE, len(content), origin), "utf-8"),
        }
        return Outcome(result, {}, {}, files=scores_file(scores) | kept)

    def _exported(self, store: Store) -> tuple[Card, bytes]:
        model, masks, about = leaving(store, self.of)
        with TemporaryDirectory() as folder:
            export_onnx(model.cpu(), Path(folder) / ONNX_FILE, masks=masks, about=about)
            return read_onnx(Path(folder) / ONNX_FILE)

    def _quantised(self, store: Store, splits: Splits) -> tuple[Card, bytes]:
        card, content = read_onnx(store.artifact(ServeStep(of=self.of).key, ONNX_FILE))
        model = InPlace(card, Session(content, self.label, threads=1))
        every = self.of.place[0].every_window().splits("cpu")
        small, card = in_int8(
            content, card, lambda batch: model.arrays(*first_windows(splits.test, batch)), every, splits.test
        )
        return card, join(small, card)


class ServedLatencyStep(TimedStep):
    """Latency of exported files in ONNX Runtime, and of masked models that compute without their zeros in PyTorch
    (:func:`tsprune.deploy.sparse.sparsify`), all interleaved; the first file is the baseline of the speedups.

    ``detail["latency"]``: the rows of :func:`tsprune.measure.measure_latency`, ``variant`` the key of the step.
    ``detail["sparse"]``: by key of a masked model how many layers run sparse, what the kernel is, and the multiply-adds
    left, None where a layer with zeros runs dense; one without a sparse layer is not timed. Times hold for one kernel
    and one release of ONNX Runtime, so these are part of the identity, too.
    """

    kind: ClassVar[str] = "served_latency"
    longer: ClassVar[int] = 10
    """A forecast out of a file takes a millisecond or less, and its times scatter by a tenth on a quiet machine too."""
    of: Annotated[tuple[ServeStep, ...], Field(min_length=1)]
    masked: tuple[ModelStep, ...] = ()
    batch_sizes: tuple[int, ...] = (1, 32)
    repeats: int = 40

    def identity(self) -> dict:
        what = {"masked": [step.key for step in self.masked], "warm": True}
        return super().identity() | what | {"kernel": best().path, "runtime": onnx_runtime()}

    @property
    def needs(self) -> tuple[Step, ...]:
        return (*self.of, *self.masked)

    @property
    def label(self) -> str:
        return f"latency of {len(self.of)} exported files and {len(self.masked)} models without their zeros"

    def protocol(self) -> dict:
        return {"method": "latency", "threads": self.threads}

    def run(self, store: Store) -> Outcome:
        splits = self.of[0].of.place[0].splits("cpu")
        windows = first_windows(splits.test, max(self.batch_sizes))
        variants = {}
        for step in self.of:
            card, content = read_onnx(store.artifact(step.key, ONNX_FILE))
            served = InPlace(card, Session(content, step.label, threads=self.threads))
            variants[step.key] = to_be_timed(served.session, served.arrays(*windows))
        told = {}
        for step in self.masked:
            model, masks = step.load_masked(store)
            found = _sparsified(model.cpu(), masks, windows, self.threads)
            if found is None:
                continue
            variants[step.key], told[step.key] = found
        latency = plain_records(self.times(variants, warm=True))
        return Outcome({}, {"latency": latency, "sparse": told}, {})


def _sparsified(model: Forecaster, masks: Masks, windows: tuple, threads: int) -> tuple[Variant, dict] | None:
    """What to time of a masked model that computes without its zeros, and what is to be told of it; None where no layer
    is faster so for one window."""
    with on_threads(threads):
        found = sparsify(model, batch=1)
    runs = found.layers["runs"] == SPARSE
    if not runs.any():
        return None
    of_masks = (found.layers["density"] < 1) & (found.layers["weights"] > 0)
    every = bool(runs[of_masks].all())
    macs = measure.count_macs(model, [window[:1] for window in windows], masks)
    told = {"layers": int(runs.sum()), "kernel": str(found.path), "macs": macs.macs_if_zeros_skipped if every else None}
    network = Bare(found.model).eval()
    named = dict(zip(INPUTS, windows, strict=True))
    return (network, [named[name] for name in network.inputs]), told
