"""The weights of a layer without its zeros, as the kernel reads them."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor

from tsprune.errors import UserError, unknown

ACTIVATIONS = ("none", "relu", "gelu")
"""What may follow a product; the kernel knows them by their place here. ``gelu`` is the exact one, to 1e-6."""

_NARROWEST, _WIDEST = 256, 65536
_IN_A_ROW = 16


@dataclass(frozen=True, eq=False)
class Packed:
    """act(W x + b) of a weight W (outputs, inputs), float32: :meth:`of` makes it.

    Weights lie by blocks of ``width`` columns, in a block by row, rows of equally many weights together. A weight takes
    6 bytes, 4 for its value and 2 for its column; what tells where rows begin is spread over the weights of a row. It
    never changes: a deep copy of a model shares it.
    """

    inputs: int
    outputs: int
    width: int
    activation: str
    groups: np.ndarray = field(repr=False)
    """(groups, 2) int32: weights in a row of the block, and how many rows have so many."""
    rows: np.ndarray = field(repr=False)
    """(blocks * outputs,) int32."""
    columns: np.ndarray = field(repr=False)
    """(nonzero,) uint16, from the first of the block on."""
    values: np.ndarray = field(repr=False)
    """(nonzero,) float32."""
    bias: np.ndarray | None = field(repr=False)
    """(outputs,) float32."""

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None = None, activation: str = "none") -> Self:
        """``weight`` (outputs, inputs), ``bias`` (outputs,) or None.

        Raises :class:`UserError` for an unknown activation, weights that are no matrix, and ones that are not float32.
        """
        if activation not in ACTIVATIONS:
            raise UserError(unknown("activation", activation, ACTIVATIONS))
        for name, tensor, dims in (("weight", weight, 2), ("bias", bias, 1)):
            if tensor is not None and (tensor.dtype != torch.float32 or tensor.dim() != dims):
                raise UserError(f"{name}: expected float32 of {dims} dimensions, found {tensor.dtype} {tensor.shape}")
        dense = weight.detach().cpu().resolve_neg().numpy()
        outputs, inputs = dense.shape
        width = _width(inputs, np.count_nonzero(dense) / max(1, dense.size))
        parts = [_block(dense[:, start : start + width]) for start in range(0, inputs, width)]
        groups, rows, columns, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        own = None if bias is None else bias.detach().cpu().numpy().copy()
        return cls(inputs, outputs, width, activation, groups, rows, columns, values, own)

    def __deepcopy__(self, memo: dict) -> Self:
        return self

    @property
    def blocks(self) -> int:
        return -(-self.inputs // self.width)

    @property
    def density(self) -> float:
        return len(self.values) / (self.inputs * self.outputs)

    @property
    def nbytes(self) -> int:
        """Of the weights: values, columns, and what tells rows apart."""
        return sum(each.nbytes for each in (self.groups, self.rows, self.columns, self.values))

    def dense(self) -> Tensor:
        """The weight (outputs, inputs) again."""
        counts = np.repeat(self.groups[:, 0], self.groups[:, 1])
        block = np.arange(len(self.rows)) // self.outputs
        columns = self.columns + np.repeat(block * self.width, counts)
        weight = np.zeros((self.outputs, self.inputs), np.float32)
        weight[np.repeat(self.rows, counts), columns] = self.values
        return torch.from_numpy(weight)


def _width(inputs: int, density: float) -> int:
    """Columns of a block: few, so that its part of a tile stays in the nearest cache, but enough for a row to have
    _IN_A_ROW weights of it."""
    wanted = min(_WIDEST, max(_NARROWEST, _IN_A_ROW / max(density, 1e-9)))
    return -(-inputs // -(-inputs // int(wanted)))  # blocks of as many columns each


def _block(part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Groups, rows, columns and values of a block of columns."""
    counts = np.count_nonzero(part, axis=1)
    order = np.argsort(counts, kind="stable")
    groups = np.stack(np.unique(counts, return_counts=True), axis=1)
    part = part[order]
    row, column = np.nonzero(part)
    return groups.astype(np.int32), order.astype(np.int32), column.astype(np.uint16), part[row, column]
