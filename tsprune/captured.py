"""Forward and backward pass of a training on a GPU as one CUDA graph: the same kernels, started together. Python, which
starts one after the other, leaves the GPU waiting most of the time."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsprune.layers.probsparse import ProbSparseAttention

_BEFORE = 3
"""Steps before a capture, in which libraries choose their kernels and take their memory. They train as any other."""


class _Graph(NamedTuple):
    places: tuple[Tensor | None, ...]
    """Where the graph reads its batch."""
    samples: list[tuple[ProbSparseAttention, Tensor]]
    """Where it reads what these modules draw on the CPU, in the order in which they draw."""
    graph: torch.cuda.CUDAGraph
    loss: Tensor
    gradients: list[Tensor | None]
    """Where it writes them, a place per parameter; None: the loss does not depend on that one."""


class Captured:
    """Called with a batch, gives its loss, detached, and leaves the gradients of all parameters in their ``grad``: bit
    for bit what ``loss(batch)`` and ``backward`` give from the same random numbers.

    ``batch``: a named tuple of tensors on the GPU. Batches of ``size`` windows run as a graph after the first few; any
    other is computed operator by operator. The next call overwrites the gradients in their memory. Where CUDA cannot
    capture what ``model`` does between its kernels (a look at a value, a copy from the processor), a warning says so,
    and every batch is computed operator by operator.
    """

    def __init__(self, model: nn.Module, loss: Callable[[NamedTuple], Tensor], size: int):
        self.model, self.loss, self.size = model, loss, size
        self.parameters = list(model.parameters())
        self._side = torch.cuda.Stream()
        self._left, self._graph = _BEFORE, None

    def __call__(self, batch: NamedTuple) -> Tensor:
        if self.size != len(batch[0]):
            return passes(self.loss, batch, self.parameters)
        if self._left:
            self._left -= 1
            return self._on_the_side(batch)
        if self._graph is None:
            self._graph = self._capture(batch)
        if self._graph is None:
            self.size = 0  # of no batch: it would fail again
            return passes(self.loss, batch, self.parameters)
        return self._replay(self._graph, batch)

    def _on_the_side(self, batch: NamedTuple) -> Tensor:
        """On a stream of its own, as what is to be captured must have run before."""
        here = torch.cuda.current_stream()
        self._side.wait_stream(here)
        with torch.cuda.stream(self._side):
            loss = passes(self.loss, batch, self.parameters)
        here.wait_stream(self._side)
        return loss

    def _capture(self, batch: NamedTuple) -> _Graph | None:
        places = tuple(None if x is None else x.clone(memory_format=torch.contiguous_format) for x in batch)
        here = torch.cuda.current_stream()
        graph = torch.cuda.CUDAGraph()
        for generator in generators(self.model):
            if generator.device.type == "cuda":
                graph.register_generator_state(generator)
        self.model.zero_grad()  # so that their memory is free before the graph takes its own
        try:
            # Other threads may train as well: what they do meanwhile is no part of this graph and none of its faults.
            with self._samples_at_hand() as samples, torch.cuda.graph(graph, capture_error_mode="thread_local"):
                loss = passes(self.loss, type(batch)(*places), self.parameters)
        except RuntimeError as error:
            torch.cuda.set_stream(here)  # a failed capture leaves its own stream as the current one
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"{type(self.model).__name__}: no CUDA graph ({reason}); trained operator by operator", stacklevel=2
            )
            return None
        return _Graph(places, samples, graph, loss, [p.grad for p in self.parameters])

    def _replay(self, captured: _Graph, batch: NamedTuple) -> Tensor:
        for place, x in zip(captured.places, batch, strict=True):
            if place is not None:
                place.copy_(x)
        for module, sample in captured.samples:
            sample.copy_(module.draw())
        captured.graph.replay()
        for parameter, gradient in zip(self.parameters, captured.gradients, strict=True):
            parameter.grad = gradient  # a step may have removed or replaced it
        return captured.loss.clone()

    @contextmanager
    def _samples_at_hand(self) -> Iterator[list[tuple[ProbSparseAttention, Tensor]]]:
        """While it is captured, attention that samples keys on the CPU reads them from tensors instead."""
        drawing = [m for m in self.model.modules() if isinstance(m, ProbSparseAttention) and not m.pinned]
        before = [module.sample for module in drawing]
        try:
            for module in drawing:
                module.sample, module.pinned = module.sample.clone(), True
            yield [(module, module.sample) for module in drawing]
        finally:
            for module, sample in zip(drawing, before, strict=True):
                module.sample, module.pinned = sample, False


def passes(loss: Callable[[NamedTuple], Tensor], batch: NamedTuple, parameters: Sequence[nn.Parameter]) -> Tensor:
    """The loss of a batch, detached; its gradients replace those that the parameters had."""
    for parameter in parameters:
        parameter.grad = None
    value = loss(batch)
    value.backward()
    return value.detach()


def generators(model: nn.Module) -> list[torch.Generator]:
    """All that modules draw from (dropout, the keys that Informer samples), each once."""
    held = [own for module in model.modules() for own in vars(module).values() if isinstance(own, torch.Generator)]
    return list(dict.fromkeys(held))
