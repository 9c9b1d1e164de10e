"""A forecaster on a GPU as it can be served there: one CUDA graph per batch size, two weights of four."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.sparse import to_sparse_semi_structured

from tsprune.errors import UserError
from tsprune.models import Forecaster

_SIDE = 64
"""The tensor cores take a two-of-four matrix where both its sides are multiples of this."""

_BEFORE = 3
"""Calls before a capture, in which libraries choose their kernels and take their memory."""


class Graphed:
    """Forecasts of a model on a GPU as CUDA graphs: the same kernels, started together and not one by one from Python.

    Called as the model is. The first call of a batch size captures its graph, in ``dtype``, which the model has too; a
    forecast is overwritten by the next one of its batch size. Raises :class:`UserError` where CUDA cannot capture it.
    """

    def __init__(self, model: Forecaster, dtype: torch.dtype = torch.float32):
        self.model, self.dtype = model, dtype
        self._graphs: dict[int, tuple[list[Tensor | None], torch.cuda.CUDAGraph, Tensor]] = {}

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        size = next(len(x) for x in inputs if x is not None)
        if size not in self._graphs:
            self._graphs[size] = self._captured(inputs)
        places, graph, forecast = self._graphs[size]
        for place, x in zip(places, inputs, strict=True):
            if place is not None:
                place.copy_(x)
        graph.replay()
        return forecast

    def _captured(self, inputs: tuple[Tensor | None, ...]) -> tuple[list[Tensor | None], torch.cuda.CUDAGraph, Tensor]:
        with torch.inference_mode(False):  # else later calls could write there in inference mode alone
            places = [None if x is None else x.to(self.dtype, copy=True) for x in inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.no_grad(), torch.cuda.stream(side):
            for _ in range(_BEFORE):
                self.model(*places)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.no_grad(), torch.cuda.graph(graph):
                forecast = self.model(*places)
        except RuntimeError as error:  # what it does between kernels needs the processor: a copy, a look at a value
            raise UserError(f"{self.model.name}: no CUDA graph: {str(error).splitlines()[0]}") from None
        return places, graph, forecast


def pack_two_of_four(model: Forecaster) -> list[str]:
    """Give the tensor cores the linear layers of ``model`` in their packed form, in place; returns their names.

    The weights have two zeros in every four already, and are of a type that tensor cores multiply (bfloat16, float16).
    A layer that is not linear, or whose sides are not multiples of 64, is unchanged.
    """
    packed = []
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and not any(side % _SIDE for side in module.weight.shape):
            model.set_submodule(name, TwoOfFourLinear(module))
            packed.append(name)
    return packed


class TwoOfFourLinear(nn.Module):
    """Linear, ``(..., inputs)`` to ``(..., outputs)``, of a weight that has two of four. Evaluation only."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.weight = nn.Parameter(to_sparse_semi_structured(layer.weight.detach()), requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """``(..., inputs)``: the leading axes are merged, because a packed weight takes one contiguous matrix only."""
        rows = functional.linear(x.reshape(-1, x.shape[-1]), self.weight, self.bias)
        return rows.view(*x.shape[:-1], -1)
