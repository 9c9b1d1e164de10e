"""Calls the kernel: packed layers, one after the other, on rows of numbers."""

import ctypes
import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from tsprune.deploy.kernels.compiled import load
from tsprune.deploy.kernels.packed import ACTIVATIONS, Packed
from tsprune.errors import UserError

_VECTORS = 4  # registers of tokens that the kernel takes at a time, at most
_REGISTER = 64  # bytes of the widest
_own = threading.local()


class _Layer(ctypes.Structure):
    """As ``struct layer`` of sparse.c."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("inputs", "outputs", "width", "blocks", "activation")),
        *((name, ctypes.c_void_p) for name in ("groups", "rows", "columns", "values", "bias")),
    )


class Products:
    """Stacks of layers, each for rows of its own: layers of a stack one after the other, what lies between them never
    written to memory. It never changes: a deep copy of a model shares it.

    ``stacks``: all of as many layers, of the same sizes. ``path``: see :func:`load`, which raises the errors. Runs on
    as many threads as torch does. Weights that are zero are passed over: an input that is infinite, times zero, is not
    NaN here.
    """

    def __init__(self, stacks: Sequence[Sequence[Packed]], path: str):
        sizes = {tuple((layer.inputs, layer.outputs) for layer in stack) for stack in stacks}
        if len(sizes) > 1:
            raise UserError(f"the stacks have layers of {len(sizes)} different sizes; all must have the same")
        (size,) = sizes
        for (_, given), (taken, _) in pairwise(size):
            if given != taken:
                raise UserError(f"a layer gives {given} features, the next one takes {taken}")
        self.layers = tuple(layer for stack in stacks for layer in stack)
        self.kernel = load(path)
        self.stacks, self.inputs, self.outputs = len(stacks), size[0][0], size[-1][1]
        self._features = self.inputs + sum(outputs for _, outputs in size)
        self._structures = (_Layer * len(self.layers))(*map(_structure, self.layers))  # they point into self.layers

    def __deepcopy__(self, memo: dict) -> Self:
        return self

    def __reduce__(self) -> tuple:
        """Written as the layers and the path: what points into memory is made where it is read."""
        each = len(self.layers) // self.stacks
        stacks = [self.layers[i : i + each] for i in range(0, len(self.layers), each)]
        return Products, (stacks, self.kernel.path)

    @property
    def bytes_per_weight(self) -> float:
        """Of all layers, per weight that is not zero; NaN where none is."""
        weights = sum(len(layer.values) for layer in self.layers)
        return sum(layer.nbytes for layer in self.layers) / weights if weights else float("nan")

    def __call__(self, x: Tensor) -> Tensor:
        """``x`` (stacks, tokens, inputs), numbers of a token side by side, tokens at any distance; (stacks, tokens,
        outputs).

        Raises :class:`UserError` for anything but float32 on the CPU, and where a gradient is asked for: there is none.
        """
        need_plain(x, "a sparse layer")
        if x.dim() != 3 or x.shape[0] != self.stacks or x.shape[2] != self.inputs:
            raise UserError(f"a sparse layer takes {self.stacks} x (tokens, {self.inputs}), not {tuple(x.shape)}")
        x = x.resolve_neg()  # torch may keep a sign apart from the numbers, as of a conjugate's imaginary part
        if x.stride(2) != 1 and x.shape[2] > 1:
            x = x.contiguous()
        threads, lanes, tokens = torch.get_num_threads(), self.kernel.lanes, x.shape[1]
        y = torch.empty(self.stacks, tokens, self.outputs)
        if not tokens:
            return y
        tiles = -(-tokens // (lanes * _VECTORS))
        if self.stacks < threads:
            tiles = -(-tiles // threads) * threads  # as many for each thread
        vectors = -(-tokens // (lanes * tiles))
        each = self._features * vectors * lanes
        scratch = _scratch(each * threads)
        self.kernel.run(
            self._structures, self.stacks, len(self.layers) // self.stacks, x.data_ptr(), x.stride(0), x.stride(1),
            y.data_ptr(), y.stride(0), y.stride(1), tokens, vectors, scratch, each, threads,
        )  # fmt: skip
        return y


class Product(Products):
    """One stack, for rows ``(tokens, inputs)``."""

    def __init__(self, layers: Sequence[Packed], path: str):
        super().__init__([layers], path)

    def __reduce__(self) -> tuple:
        return Product, (self.layers, self.kernel.path)

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x.unsqueeze(0)).squeeze(0)


def need_plain(x: Tensor, what: str) -> None:
    """Raises :class:`UserError` for anything but float32 on the CPU, and where a gradient is asked for: there is
    none."""
    if x.dtype != torch.float32 or x.device.type != "cpu":
        raise UserError(f"{what} takes float32 on the CPU, not {x.dtype} on {x.device.type}")
    if x.requires_grad and torch.is_grad_enabled():
        raise UserError(f"{what} has no gradient: call the model inside torch.inference_mode()")


def _structure(layer: Packed) -> _Layer:
    arrays = (layer.groups, layer.rows, layer.columns, layer.values)
    numbers = (layer.inputs, layer.outputs, layer.width, layer.blocks, ACTIVATIONS.index(layer.activation))
    bias = None if layer.bias is None else layer.bias.ctypes.data
    return _Layer(*numbers, *(array.ctypes.data for array in arrays), bias)


def _scratch(numbers: int) -> int:
    """The address of room for so many floats, this Python thread's own, on the boundary of a register; it stays."""
    kept = getattr(_own, "room", None)
    if kept is None or kept.numel() < 4 * numbers + _REGISTER:
        kept = _own.room = torch.empty(4 * numbers + _REGISTER, dtype=torch.uint8)
    return -(-kept.data_ptr() // _REGISTER) * _REGISTER
