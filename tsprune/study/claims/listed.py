"""The claims, in the order of the page: what each says, how it is measured, and when it holds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from tsprune.steps.runtimes import ONNX
from tsprune.study.claims import measures
from tsprune.study.claims.evidence import Evidence
from tsprune.study.claims.judge import of_each, of_mean, of_share, of_some
from tsprune.study.claims.measures import FOLD, TENTH
from tsprune.study.claims.result import CODE, FIELD, OURS

COMPARATIVE, PALS = "arXiv 2412.12883", "arXiv 2305.18382"

KEPT = (-math.inf, 1.05)
"""A ratio of errors that counts as accuracy kept: at most 5 % above."""

WORTH = (1.01, math.inf)
"""A ratio of errors that counts as a mechanism missed: it lowers the error by a hundredth or more."""

_FIVE = ("Transformer", "Informer", "Autoformer", "FEDformer", "Crossformer")
"""The forecasters of the first paper."""

_STEADY = ("Autoformer", "FEDformer")

_PALS_FIVE = ("Nonstationary_Transformer", "FEDformer", "Autoformer", "Informer", "Transformer")
"""The forecasters of the paper of PALS."""

_PLAIN_MODELS = ("DLinear", "LSTM", "TCN")


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, as something that rows can speak for or against."""

    name: str
    paper: str
    says: str
    theirs: str
    """The paper's own number, as far as it is known."""
    page: str
    """Notebook whose report shows the rows."""
    measure: Callable[[Evidence], pd.DataFrame]
    bounds: tuple[float, float]
    """Between which the claim wants the number of a case."""
    quantity: str
    """What the number is, with ``{}`` where it stands."""
    judge: Callable = of_each
    also: str = ""
    """Another notebook that asks the same, whose page tells of it too."""
    why: str = field(kw_only=True)
    """What makes it come out as it does, in a sentence that the page of the rows bears out."""
    unit: str = "ratio"
    """How the number is written: a "ratio" as the change that it is, a "share" in percent, a difference of shares in
    "points", a "factor" with a cross."""


CLAIMS = (
    Claim(
        "half-is-safe", COMPARATIVE,
        "Without retraining, about half of the weights that the first paper's code counts can be removed",
        "about 50 % for all five models", "01_pruning_sweep",
        partial(measures.lost_as_counted, density=0.5, models=_FIVE), KEPT, "MSE {} with about half of these weights",
        why="That code ranks weights of linear maps and convolutions over the whole model, and keeps all others.",
    ),
    Claim(
        "half-elsewhere", OURS,
        "Without retraining, later forecasters can also lose about half of every layer's weights",
        "not asked there", "01_pruning_sweep",
        partial(measures.lost_at, density=0.5, but=_FIVE), KEPT, "MSE {} with about half of the weights",
        why="How much a layer's small weights add up to depends on model and data.",
    ),
    Claim(
        "steady-as-counted", COMPARATIVE,
        "Autoformer and FEDformer tolerate losing 90 % of the weights that the first paper's code counts",
        "about 90 %", "01_pruning_sweep",
        partial(measures.lost_as_counted, density=TENTH, models=_STEADY), KEPT,
        "MSE {} with 11 % of these weights",
        why="Fourier weights are kept and not counted; Autoformer has none to keep.",
    ),
    Claim(
        "steady-at-a-tenth", OURS,
        "Autoformer and FEDformer tolerate losing 90 % of the weights where every weight counts and is cut",
        "Fourier weights are never cut there", "01_pruning_sweep",
        partial(measures.lost_at, density=TENTH, models=_STEADY), KEPT, "MSE {} with 11 % of the weights",
        why="Here FEDformer's Fourier weights are cut like all others; Autoformer has none and loses as well.",
    ),
    Claim(
        "sparse-beats-dense", COMPARATIVE,
        "Some models forecast better with half or a tenth of the weights than with all",
        "“certain models”", "01_pruning_sweep",
        partial(measures.lost_at_each, densities=(0.5, TENTH), models=_FIVE), (-math.inf, 1), "MSE {}",
        of_some,
        why="Small weights can be noise that fits the training data alone, and that pruning then removes.",
    ),
    Claim(
        "depgraph-misses", COMPARATIVE,
        "DepGraph pruning, asked for a ratio of channels, misses that share of the parameters",
        "targets not met", "01_pruning_sweep",
        partial(measures.missed, step="depgraph"), (0.1, math.inf), "{} off the target at most", unit="share",
        why="Channels go on both sides of most matrices, so the share of parameters left is about the ratio squared; "
        "FEDformer's Fourier weights are left whole; Crossformer and PatchTST break, which are no case here.",
    ),
    Claim(
        "ours-meets", OURS, "This project's structured pruning meets its target to 5 % where it is in reach",
        "no such claim there", "01_pruning_sweep",
        partial(measures.missed, step="structured"), (-math.inf, 0.05), "{} off the target at most", unit="share",
        why="The share of channels is searched until the parameters match; whole channels leave a remainder.",
    ),
    Claim(
        "fewer-flops", COMPARATIVE, "Narrowing to a tenth of the parameters cuts multiply-adds seven-fold or more",
        "up to 7.6-fold", "01_pruning_sweep",
        measures.times_less_macs, (FOLD, math.inf), "{} fewer multiply-adds", unit="factor",
        why="A narrower layer has fewer inputs and fewer outputs, so multiply-adds fall faster than widths.",
    ),
    Claim(
        "no-faster", COMPARATIVE,
        "On a GPU, narrow models reach less than half of the speedup that fewer multiply-adds promise",
        "almost no speedup, on an A100 and an H100 at 3 windows", "06_inference",
        partial(measures.promise_kept, place="cuda"), (-math.inf, 0.5),
        "{} of the promised speedup at 3 windows",
        unit="share", also="01_pruning_sweep",
        why="At this size a GPU waits for the processor to start operators; as CUDA graphs, narrow models do gain.",
    ),
    Claim(
        "faster-on-cpu", OURS,
        "In eager PyTorch on one CPU thread, narrow models reach at least half of the speedup that fewer multiply-adds "
        "promise",
        "asked on GPUs alone", "06_inference",
        partial(measures.promise_kept, place="cpu"), (0.5, math.inf), "{} of the promised speedup at 3 windows",
        unit="share", also="01_pruning_sweep",
        why="Work other than matrix products (starting operators, softmax, copies) does not shrink with the widths.",
    ),
    Claim(
        "faster-in-onnx", OURS,
        "In ONNX Runtime on one CPU thread, narrow models reach at least half of the speedup that fewer multiply-adds "
        "promise",
        "the models did not run in TensorRT", "06_inference",
        partial(measures.promise_kept_in, runtime=ONNX, place="cpu"), (0.5, math.inf),
        "{} of the promised speedup at 3 windows", unit="share",
        why="A compiled graph starts its operators faster; work other than matrix products still does not shrink.",
    ),
    Claim(
        "zeros-no-faster", COMPARATIVE, "In eager PyTorch on one CPU thread, zeros among the weights bring no speedup",
        "no speedup, on GPUs", "01_pruning_sweep",
        measures.zeros_speed, (-math.inf, 1.1), "{} the dense speed at 3 windows", unit="factor",
        why="A dense kernel multiplies by zero as by any other number.",
    ),
    Claim(
        "zeros-academic", COMPARATIVE,
        "Even where zeros are skipped, a model with a tenth of its weights is no faster on one CPU thread",
        "academic only, with what GPUs had", "06_inference",
        partial(measures.zeros_skipped_speed, density=0.1), (-math.inf, 1.1),
        "{} the best dense speed in float32 at 3 windows", unit="factor",
        why="A kernel that reads only the weights that are left has less to read and to multiply.",
    ),
    Claim(
        "tuning-regains", COMPARATIVE, "With 11 % of the weights left, fine-tuning is needed",
        "fine-tuning restores accuracy (one case, at 33 %)", "02_fine_tuning",
        partial(measures.regained, density=TENTH), (-math.inf, 0.95), "MSE {} by fine-tuning",
        why="Pruning by size alone leaves weights that no longer fit each other; further training fits them again.",
    ),
    Claim(
        "tuning-restores", COMPARATIVE,
        "After fine-tuning, 11 % of a Transformer's weights are as good as all of them trained as long",
        "fine-tuning restores accuracy (no dense model trained as long)", "02_fine_tuning",
        partial(measures.against_control, density=TENTH, but=_PLAIN_MODELS), KEPT,
        "MSE {} against the dense model trained as long",
        why="The dense control is trained longer, too, and keeps its best epoch, even the start: what more training "
        "gains is not credited to pruning.",
    ),
    Claim(
        "tuning-restores-plain", OURS,
        "After fine-tuning, 11 % of the weights of a forecaster without attention are as good as all trained as long",
        "not asked there", "02_fine_tuning",
        partial(measures.against_control, density=TENTH, models=_PLAIN_MODELS), KEPT,
        "MSE {} against the dense model trained as long",
        why="DLinear is linear maps side by side: no later layer makes up for what one of them has lost.",
    ),
    Claim(
        "small-beats-pruned", COMPARATIVE, "On small data a small model beats a large one pruned to its size",
        "smaller models preferable", "03_right_sizing",
        measures.small_over_pruned, (-math.inf, 1), "MSE {} against the pruned model",
        why="Both are equally large and trained equally long; one starts from what a large model has learned.",
    ),
    Claim(
        "large-data-large-model", COMPARATIVE, "Larger data needs larger models",
        "one model on one dataset (ENTSO-E)", "03_right_sizing",
        measures.wide_needs_data, (-math.inf, 1), "MSE {} against the narrow model, both with all the data",
        also="04_entsoe_scale",
        why="A case counts for it where the wide model is better with all the data, and by less with part of it.",
    ),
    Claim(
        "loss-finds-sparsity", PALS, "PALS finds the sparsity by itself: the loss ends its shrinking",
        "61 % of its cells end below the cap, some for want of updates", "05_pals",
        partial(measures.found_by_the_loss, models=_PALS_FIVE), (0.5, math.inf),
        "the loss ended the shrinking in {} of trainings, settings chosen by validation", unit="share",
        why="Pace, number of updates and cap bound how far it goes; short trainings end before the loss objects.",
    ),
    Claim(
        "pals-comparable", PALS, "PALS forecasts about as well as the dense model",
        "comparable performance, at the best of nine settings", "05_pals",
        partial(measures.pals_over_dense, column="mse", models=_PALS_FIVE), KEPT,
        "MSE {} against dense, settings chosen by validation",
        why="It stops shrinking once the validation loss is a tenth (lambda) above the best, if it gets that far.",
    ),
    Claim(
        "pals-better-mse", PALS, "PALS beats the dense model by MSE in 12 of 30 cases",
        "12 of 30, at the best of nine settings", "05_pals",
        partial(measures.pals_over_dense, column="mse", models=_PALS_FIVE), (-math.inf, 1),
        "MSE {} against dense, settings chosen by validation",
        partial(of_share, bounds=(-math.inf, 1), theirs=12 / 30),
        why="It stops shrinking once the validation loss is a tenth (lambda) above the best, if it gets that far.",
    ),
    Claim(
        "pals-better-mae", PALS, "PALS beats the dense model by MAE in 14 of 30 cases",
        "14 of 30, at the best of nine settings", "05_pals",
        partial(measures.pals_over_dense, column="mae", models=_PALS_FIVE), (-math.inf, 1),
        "MAE {} against dense, settings chosen by validation",
        partial(of_share, bounds=(-math.inf, 1), theirs=14 / 30),
        why="It stops shrinking once the validation loss is a tenth (lambda) above the best, if it gets that far.",
    ),
    Claim(
        "pals-parameters", PALS,
        "With its two settings searched, PALS removes as many parameters as its paper's figures show, to 10 points",
        "65 % on average; its figures, case by case, at the best of nine settings", "05_pals",
        measures.removed_beside_published, (-0.1, 0.1), "{} against its figures", unit="points",
        why="Pace, number of updates and the epoch that is kept set how far it goes; nine settings have to be tried.",
    ),
    Claim(
        "pals-flops", PALS, "PALS saves about 63 % (53 to 73 %) of the multiply-adds on average, if zeros were skipped",
        "63 %, at the best of nine settings", "05_pals",
        partial(measures.macs_saved_by_pals, models=_PALS_FIVE), (0.53, 0.73), "{} saved",
        partial(of_mean, bounds=(0.53, 0.73)), unit="share",
        why="Multiply-adds follow the densities of the layers that do most of the work, not that of the model.",
    ),
    Claim(
        "pals-beyond-transformers", PALS, "PALS keeps accuracy outside Transformers as well",
        "shown for other models", "05_pals",
        partial(measures.pals_over_dense, column="mse", models=_PLAIN_MODELS), KEPT, "MSE {} against dense",
        why="It asks for weights, gradients and a validation loss, not for attention.",
    ),
    Claim(
        "expanding-helps", CODE, "Letting weights return (expanding) lowers the error by 1 % or more",
        "part of the method", "05_pals",
        partial(measures.without, expands=False), WORTH, "MSE {} without expanding",
        why="It expands only where the loss has risen beyond its limit; then it gives back what it took.",
    ),
    Claim(
        "cap-helps", CODE, "The cap on sparsity lowers the error by 1 % or more",
        "part of the code", "05_pals",
        partial(measures.without, max_sparsity=0.99), WORTH, "MSE {} with a cap of 99 %",
        why="The cap matters only where shrinking gets that far.",
    ),
    Claim(
        "lower-bound-helps", CODE,
        "Shrinking whatever the loss until 20 % of the weights are gone lowers the error by 1 % or more",
        "part of the code", "05_pals",
        partial(measures.without, min_sparsity=0.0), WORTH, "MSE {} without that rule",
        why="It decides the first updates only; without it an uneven loss can only delay shrinking.",
    ),
    Claim(
        "values-kept-help", CODE,
        "Keeping the values of weights that return in the same update lowers the error by 1 % or more",
        "part of the code", "05_pals",
        partial(measures.without, regrown="zero"), WORTH, "MSE {} where they return as zeros",
        why="Most of what an update removes returns in the same update; as zeros these weights are learned anew.",
    ),
    Claim(
        "pals-overhead", PALS,
        "Training with PALS costs no more multiply-adds than dense training of as many steps, if zeros were skipped",
        "cheaper training is an aim of it", "05_pals",
        measures.cost_of_pals, (-math.inf, 1), "{} of a dense training's", unit="share",
        why="Zeros save work, but each update first looks at the validation set, which costs some: its size decides.",
    ),
    Claim(
        "repeat-last", FIELD, "On exchange rates, repeating the last value beats every Transformer",
        ".081 against .148 (FEDformer) at horizon 96", "01_pruning_sweep",
        partial(measures.repeat_last_over, dataset="Exchange", but=_PLAIN_MODELS), (-math.inf, 1),
        "MSE of repeating the last value {} against the model",
        why="Rates move much like a random walk, of which the last value is the best forecast.",
    ),
)  # fmt: skip
