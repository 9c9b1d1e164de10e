"""torch-pruning's dependency graph: the first paper's structured method as it was run.

A second opinion beside :mod:`tsprune.pruners.structured`: where its graph reads a model, both must find the same
groups, importances and shapes.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch_pruning as tp
from torch import Tensor, nn
from torch.nn import functional as F

from tsprune.errors import UserError
from tsprune.layers import Attention, PositionTable, plain_attention
from tsprune.layers.decomposition import TrendProjection
from tsprune.layers.fourier import FourierLayer
from tsprune.measure import out_of_memory
from tsprune.pruners.cost import count
from tsprune.pruners.masks import need_count, need_share
from tsprune.pruners.structured import Group, StructuredResult, declared, forecast, output_groups


class Unprunable(UserError):
    """torch-pruning finds nothing to remove, or breaks the model; the text says which."""


class PositionTablePruner(tp.BasePruningFunc):
    """Teaches the graph that a position table is as wide as the stream it is added to."""

    def prune_out_channels(self, layer: PositionTable, idxs: Sequence[int]) -> PositionTable:
        gone = set(idxs)
        layer.table = layer.table[:, [i for i in range(layer.table.shape[1]) if i not in gone]]
        return layer

    def get_out_channels(self, layer: PositionTable) -> int:
        return layer.table.shape[1]

    prune_in_channels = prune_out_channels
    get_in_channels = get_out_channels


@contextmanager
def traceable(model: nn.Module) -> Iterator[None]:
    """Inside the block the graph can be read: plain attention, and a trend projection that is one product.

    The shifted taps of the latter come after its product; the graph would take their split for one of the stream.
    """
    projections = [m for m in model.modules() if isinstance(m, TrendProjection)]
    for module in projections:
        module.forward = partial(one_tap, module)
    try:
        with plain_attention(model):
            yield
    finally:
        for module in projections:
            del module.forward


def one_tap(module: TrendProjection, x: Tensor) -> Tensor:
    """The projection by the weights of its first tap alone, which have the shapes of all three."""
    return F.linear(x, module.weight[: module.channels])


def head_counts(model: nn.Module) -> dict[nn.Module, int]:
    """The projections whose outputs are heads side by side, and how many."""
    layers = (m for m in model.modules() if isinstance(m, Attention))
    return {projection: a.n_heads for a in layers for projection in (a.query, a.key, a.value)}


def depgraph_paper(model: nn.Module, example_inputs: Sequence[Tensor | None], density: float) -> StructuredResult:
    """A copy of ``model`` pruned with ``pruning_ratio = 1 - density``, the plain call of the library.

    That ratio is one of channels: both sides of most matrices shrink, so that about ``density ** 2`` of the parameters
    are left, while tensors the graph does not see stay; ``achieved`` says by how much the target is missed. Importance
    is torch-pruning's default, the group's mean squared norm. Output layers are left alone. The code of the first paper
    (arXiv 2412.12883) calls the library otherwise: :func:`depgraph_to_the_end`.

    Raises :class:`UserError` for a density outside (0, 1], and :class:`Unprunable` if there is nothing to remove or the
    pruned model no longer runs.
    """
    need_share("density", density)
    model, example_inputs = declared(model, example_inputs)
    pruned = working_copy(model)
    with library(model, pruned, example_inputs):
        paper_pruner(pruned, example_inputs, 1 - density).step()
    return _result(model, pruned, example_inputs, density)


def depgraph_to_the_end(
    model: nn.Module, example_inputs: Sequence[Tensor | None], steps: int
) -> Iterator[StructuredResult]:
    """Copies of ``model``, each narrower than the one before, as the first paper's public code prunes (arXiv
    2412.12883): one ranking over the model, all channels asked for in ``steps`` equal parts, until the library stops.

    ``asked`` of each copy is the share of the channels that was to be left by then; a part that takes nothing gives no
    copy. The library leaves a group whole that would lose its last channel, so the end is where it stops and not one
    channel each. Units are ranked anew each time. Projections into Fourier weights stay as wide as these, which that
    code leaves; other attention layers lose features of their heads, every head as many, where that code cuts all four
    projections like the stream.

    Raises :class:`UserError` for ``steps`` below 1, and :class:`Unprunable` where nothing can be taken and, once it
    gets there, if the pruned model no longer runs.
    """
    need_count("steps", steps)
    model, example_inputs = declared(model, example_inputs)
    pruned = working_copy(model)
    with library(model, pruned, example_inputs):
        left_alone = into_fourier(pruned)
        pruner = paper_pruner(pruned, example_inputs, 1.0, global_pruning=True, steps=steps, left=left_alone)
    before = left = count(pruned, example_inputs, "parameters")
    for step in range(1, steps + 1):
        with library(model, pruned, example_inputs):
            pruner.step()
        if (now := count(pruned, example_inputs, "parameters")) < left:
            left = now
            yield _result(model, copy.deepcopy(pruned), example_inputs, 1 - step / steps)
    if left == before:
        raise Unprunable(f"torch-pruning takes nothing from {type(model).__name__} in {steps} steps")


def into_fourier(model: nn.Module) -> list[nn.Module]:
    """The projections whose outputs go into Fourier weights."""
    layers = [m for m in model.modules() if isinstance(m, FourierLayer)]
    return [projection for layer in layers for projection in (layer.query, layer.key, layer.value) if projection]


def working_copy(model: nn.Module) -> nn.Module:
    """A copy to prune. Raises :class:`Unprunable` for a model in which the library finds nothing to remove."""
    name, kinds = type(model).__name__, (nn.Linear, nn.Conv1d, nn.LSTM)
    if not any(isinstance(m, kinds) and m not in model.output_layers() for m in model.modules()):
        raise Unprunable(f"{name} has nothing to remove: its widths are the variables, the look-back and the horizon")
    return copy.deepcopy(model)


@contextmanager
def library(model: nn.Module, pruned: nn.Module, inputs: Sequence[Tensor | None]) -> Iterator[None]:
    """Inside the block the library works on ``pruned``; after it ``pruned`` must still forecast as ``model`` does."""
    name = type(model).__name__
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Unwrapped parameters detected|Maximum recursive depth")
            yield
        for attention in (m for m in pruned.modules() if isinstance(m, Attention)):
            attention.head_dim = attention.query.out_features // attention.n_heads
        shapes = [forecast(either, inputs).shape for either in (model, pruned)]
    except Exception as error:  # whatever the library stumbles over is the result, unless there was no memory for it
        if out_of_memory(error):
            raise
        raise Unprunable(f"torch-pruning breaks {name}: {type(error).__name__}: {error}".splitlines()[0]) from error
    if shapes[0] != shapes[1]:
        raise Unprunable(f"torch-pruning breaks {name}: forecasts of shape {tuple(shapes[1])}, not {tuple(shapes[0])}")


def _result(model: nn.Module, pruned: nn.Module, inputs: Sequence[Tensor | None], asked: float) -> StructuredResult:
    """What became of ``model``, asked for the share ``asked`` of its channels."""
    before, after = ([count(m, inputs, by) for by in ("parameters", "macs")] for m in (model, pruned))
    groups = [
        Group(old.name, old.width, new.width)
        for old, new in zip(model.axes(), pruned.axes(), strict=True)
        if old.kind != "n_heads"
    ]
    return StructuredResult(
        pruned,
        asked,
        after[0] / before[0],
        "parameters",
        (before[0], after[0]),
        (before[1], after[1]),
        (*groups, *output_groups(model)),
    )


def paper_pruner(
    model: nn.Module,
    inputs: Sequence[Tensor | None],
    ratio: float,
    *,
    global_pruning: bool = False,
    steps: int = 1,
    left: Sequence[nn.Module] = (),
) -> tp.pruner.BasePruner:
    """torch-pruning's pruner for ``model``, which removes the share ``ratio`` of the channels in ``steps`` calls of its
    ``step``, but no outputs of the layers ``left``. Its dicts are our own: its defaults are shared by all pruners and
    grow."""
    with traceable(model):
        return tp.pruner.BasePruner(
            model,
            tuple(inputs),
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=ratio,
            iterative_steps=steps,
            global_pruning=global_pruning,
            ignored_layers=[*model.output_layers(), *left],
            num_heads=head_counts(model),
            in_channel_groups={},
            out_channel_groups={},
            channel_groups={},
            customized_pruners={PositionTable: PositionTablePruner()},
            root_module_types=[nn.Linear, nn.Conv1d, nn.LSTM],
        )
