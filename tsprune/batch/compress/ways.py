"""The ways to a smaller model, the most promising first: steps that can be named before anything has run."""

from dataclasses import dataclass

from tsprune.batch.compress.question import Question
from tsprune.pruners.pals import PALS
from tsprune.steps.data import DataSpec
from tsprune.steps.distill import DistillStep
from tsprune.steps.model import ModelStep
from tsprune.steps.sparse import SparseTrainStep
from tsprune.steps.train import TrainStep, train_step
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep

DENSE, LONGER = "dense", "dense, trained longer"
MULTIPLE = 8
"""Units of which widths are tried as multiples where time is the goal: multiples of 16 are no faster, and coarser
(docs/deploy.md)."""

ENOUGH_HEADS = 4
"""Heads with which a model is narrowed by whole heads, where it lets them go, and not by features of each: at as many
parameters it forecasts as well, and faster (docs/deploy.md). Of fewer, one is too coarse a unit."""

NARROWED, ROUNDED = "narrowed", f"narrowed, widths in multiples of {MULTIPLE}"
SMALLER, DISTILLED = "smaller from the start", "smaller, distilled"
HALVED, ZEROS, FOUND = "2:4 zeros", "zeros", "zeros by PALS"

KINDS = (DENSE, LONGER, NARROWED, ROUNDED, SMALLER, DISTILLED, HALVED, ZEROS, FOUND)

MASKED = (HALVED, ZEROS, FOUND)
"""Ways that leave every width as it was: a dense kernel executes their zeros, and a file holds them."""


@dataclass(frozen=True)
class Way:
    """One way to a model. ``strength``: how far it goes, in words."""

    kind: str
    strength: str
    step: ModelStep

    @property
    def name(self) -> str:
        return f"{self.kind} ({self.strength})" if self.strength else self.kind


def ways(question: Question, data: DataSpec) -> list[Way]:
    """All ways in the order in which they are tried: the dense model and its training on, then one of each kind, then
    the same kinds at other strengths. Rounded widths only for latency, which is all they can gain; zeros, of which no
    file is smaller, after all others where size is the goal.

    Every model is trained equally long: ``epochs`` and then ``fine_tune_epochs`` more; a sparse training, which cannot
    be trained on, for as many in one go.
    """
    dense = question.dense(data)
    on = dense.train.continued(question.fine_tune_epochs, question.fine_tune_learning_rate)
    longer = FineTuneStep(trained=dense, scope="layer", densities=[1.0], train=on)
    found = {kind: [] for kind in (NARROWED, ROUNDED, SMALLER, DISTILLED, HALVED, ZEROS, FOUND)}
    multiples = {NARROWED: 1}
    if question.goal == "latency" and question.d_model > MULTIPLE:  # no file is smaller for it
        multiples[ROUNDED] = MULTIPLE
    inside = "n_heads" if _heads_can_go(dense) else "head_dim"
    for density in question.narrow_densities:
        for kind, multiple in multiples.items():
            step = NarrowTuneStep(trained=dense, density=density, multiple=multiple, inside=inside, train=on)
            found[kind].append(Way(kind, f"{density:.0%} of the parameters left", step))
    for width in question.every_width()[:-1]:
        small = _small(question, dense, width)
        after = FineTuneStep(trained=small, scope="layer", densities=[1.0], train=on)
        taught = DistillStep(teacher=longer, student=small, train=on, weight=question.distill_weight)
        found[SMALLER].append(Way(SMALLER, f"d_model {width}", after))
        found[DISTILLED].append(Way(DISTILLED, f"d_model {width}", taught))
    halved = FineTuneStep(trained=dense, scope="layer", structure="2:4", densities=[0.5], train=on)
    found[HALVED].append(Way(HALVED, "", halved))
    for density in question.sparse_densities:
        step = FineTuneStep(trained=dense, scope="layer", densities=[density], train=on)
        found[ZEROS].append(Way(ZEROS, f"{density:.0%} of the weights left", step))
    found[FOUND].append(Way(FOUND, "", _pals(question, data)))
    rounds = range(max(map(len, found.values())))
    rest = [way for place in rounds for each in found.values() for way in each[place : place + 1]]
    if question.goal == "size":
        rest.sort(key=lambda way: way.kind in MASKED)
    return [Way(DENSE, "", dense), Way(LONGER, "", longer), *rest]


def _heads_can_go(dense: TrainStep) -> bool:
    heads = [axis for axis in dense.build().axes() if axis.kind == "n_heads"]
    return bool(heads) and all(axis.fixed is None and axis.width >= ENOUGH_HEADS for axis in heads)


def _small(question: Question, dense: TrainStep, width: int) -> TrainStep:
    """A dense model of another width, trained from the start. Its heads are fewer and not narrower, as far as they
    divide the width: so it is faster, at as many parameters and multiply-adds (docs/kernels.md)."""
    most = max(1, question.n_heads * width // question.d_model)
    heads = next(count for count in range(most, 0, -1) if width % count == 0)
    sizes = {"d_model": width, "d_ff": question.sized(width)["d_ff"], "n_heads": heads}
    return train_step(dense.data, dense.model, dense.hyper | sizes, dense.train, dense.seed)


def _pals(question: Question, data: DataSpec) -> SparseTrainStep:
    epochs = question.epochs + question.fine_tune_epochs
    recipe = question.recipe().model_copy(update={"epochs": epochs, "patience": epochs})
    method = PALS.variant("code")
    hyper = question.dense(data).hyper
    return SparseTrainStep(
        dense=train_step(data, question.model, hyper, recipe, question.seeds[0]),
        method=method.name,
        fields=method.model_dump(mode="json", exclude_unset=True),
    )
