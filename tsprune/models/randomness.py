"""Setting the random choices that a forecaster made when it was built."""

from collections.abc import Mapping, Sequence

import torch

from tsprune.errors import UserError
from tsprune.layers.probsparse import ProbSparseAttention
from tsprune.models.base import Forecaster


def pin_randomness(
    model: Forecaster,
    index_samples: Sequence[torch.Tensor] | None = None,
    modes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Fix the key positions that Informer samples, or the Fourier modes of FEDformer, in training and evaluation alike.

    ``index_samples``: one tensor ``(length, sampled)`` per attention, encoder layers first, then self- and
    cross-attention of each decoder layer. ``modes``: see :meth:`FEDformer.pin_modes`. Both are saved with
    the model; a loaded Informer forecasts with its samples, but draws new ones when it is trained further. A model
    without such a choice, and numbers or shapes that do not fit, raise :class:`UserError`.
    """
    if index_samples is not None:
        layers = [module for module in model.modules() if isinstance(module, ProbSparseAttention)]
        if len(layers) != len(index_samples):
            raise UserError(f"{model.name} has {len(layers)} attentions that sample keys, not {len(index_samples)}")
        for number, (layer, sample) in enumerate(zip(layers, index_samples, strict=True)):
            if sample.shape != layer.sample.shape or sample.min() < 0 or sample.max() >= layer.source_length:
                raise UserError(
                    f"{model.name}: index sample {number} has shape {tuple(sample.shape)}, expected "
                    f"{tuple(layer.sample.shape)} with values from 0 to {layer.source_length - 1}"
                )
        for layer, sample in zip(layers, index_samples, strict=True):
            layer.sample.copy_(sample)
            layer.pinned = True
    if modes is not None:
        if not hasattr(model, "pin_modes"):
            raise UserError(f"{model.name} has no Fourier modes to pin")
        model.pin_modes(modes)
