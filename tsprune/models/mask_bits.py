"""Masks in a checkpoint: a bit for each weight."""

import math
from collections.abc import Mapping

import numpy as np
import torch

from tsprune.layers.masks import mask_problem
from tsprune.models.base import Forecaster


def pack(mask: torch.Tensor) -> torch.Tensor:
    """A bool tensor of any shape as bits, eight to a byte: uint8 ``(ceil(size / 8),)``, the last byte filled with 0."""
    return torch.from_numpy(np.packbits(mask.detach().cpu().numpy()))


def unpack(bits: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The bool tensor of ``shape`` that :func:`pack` made ``bits`` of. Raises :class:`ValueError` if it cannot be."""
    size = math.prod(shape)
    if bits.dtype != torch.uint8 or bits.shape != (-(-size // 8),):
        raise ValueError(f"a mask of shape {shape} cannot lie in {bits.dtype} {tuple(bits.shape)}")
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=size).astype(bool)).view(shape)


def model_mask_problem(model: Forecaster, masks: Mapping[str, torch.Tensor]) -> str | None:
    """The first mask of no parameter of ``model``, of another shape than it, or not of bools, in words."""
    shapes = {name: parameter.shape for name, parameter in model.named_parameters(remove_duplicate=False)}
    return mask_problem(masks, shapes, "parameter to be masked")
