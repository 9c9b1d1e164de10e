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
from tsprune.measure import out_of_memory
from tsprune.pruners.cost import count
from tsprune.pruners.structured import Group, StructuredResult, forecast, output_groups


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
    return F.linear(x, module.weight[: module.channels])


def head_counts(model: nn.Module) -> dict[nn.Module, int]:
    """The projections whose outputs are heads side by side, and how many."""
    layers = (m for m in model.modules() if isinstance(m, Attention))
    return {projection: a.n_heads for a in layers for projection in (a.query, a.key, a.value)}


def depgraph_paper(
    model: nn.Module, example_inputs: Sequence[Tensor | None], density: float, global_pruning: bool = False
) -> StructuredResult:
    """A copy of ``model`` pruned with ``pruning_ratio = 1 - density``, as the paper did (arXiv 2412.12883).

    That ratio is one of channels: both sides of most matrices shrink, so that about ``density ** 2`` of the parameters
    are left, while tensors the graph does not see stay; ``achieved`` says by how much the target is missed. Importance
    is torch-pruning's default, the group's mean squared norm. Output layers are left alone.

    Raises :class:`UserError` for a density outside (0, 1], and if the pruned model no longer runs.
    """
    if not 0 < density <= 1:
        raise UserError(f"density = {density}: allowed is a number above 0 and at most 1")
    name = type(model).__name__
    if not any(
        isinstance(m, (nn.Linear, nn.Conv1d, nn.LSTM)) and m not in model.output_layers() for m in model.modules()
    ):
        raise UserError(f"{name} has nothing to remove: its widths are the variables, the look-back and the horizon")
    pruned = copy.deepcopy(model)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Unwrapped parameters detected|Maximum recursive depth")
            paper_pruner(pruned, example_inputs, density, global_pruning).step()
        for attention in (m for m in pruned.modules() if isinstance(m, Attention)):
            attention.head_dim = attention.query.out_features // attention.n_heads
        shapes = [forecast(either, example_inputs).shape for either in (model, pruned)]
    except Exception as error:  # whatever the library stumbles over is the result, unless there was no memory for it
        if out_of_memory(error):
            raise
        raise UserError(f"torch-pruning breaks {name}: {type(error).__name__}: {error}".splitlines()[0]) from error
    if shapes[0] != shapes[1]:
        raise UserError(f"torch-pruning breaks {name}: forecasts of shape {tuple(shapes[1])}, not {tuple(shapes[0])}")
    before, after = ([count(m, example_inputs, by) for by in ("parameters", "macs")] for m in (model, pruned))
    groups = [
        Group(old.name, old.width, new.width)
        for old, new in zip(model.axes(), pruned.axes(), strict=True)
        if old.kind != "n_heads"
    ]
    return StructuredResult(
        pruned,
        density,
        after[0] / before[0],
        "parameters",
        (before[0], after[0]),
        (before[1], after[1]),
        (*groups, *output_groups(model)),
    )


def paper_pruner(
    model: nn.Module, inputs: Sequence[Tensor], density: float, global_pruning: bool
) -> tp.pruner.BasePruner:
    """torch-pruning's pruner for ``model``, its dicts our own: its defaults are shared by all pruners and grow."""
    with traceable(model):
        return tp.pruner.BasePruner(
            model,
            tuple(inputs),
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=1 - density,
            global_pruning=global_pruning,
            ignored_layers=model.output_layers(),
            num_heads=head_counts(model),
            in_channel_groups={},
            out_channel_groups={},
            channel_groups={},
            customized_pruners={PositionTable: PositionTablePruner()},
            root_module_types=[nn.Linear, nn.Conv1d, nn.LSTM],
        )
