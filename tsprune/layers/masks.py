"""Masks: by parameter name a bool tensor of the parameter's shape. What is wrong with one, in words."""

from collections.abc import Sequence

import torch


def no_masks(given: object) -> str:
    """Of what is no dict of masks."""
    inside = "; give its field masks" if hasattr(given, "masks") else ""  # what several pruners return
    return f"masks are a dict of bool tensors by parameter name, not a {type(given).__name__}{inside}"


def misfit(name: str, mask: object, shape: Sequence[int]) -> str | None:
    """Of what is no mask of the parameter ``name``."""
    if not isinstance(mask, torch.Tensor):
        return f"mask of '{name}': expected a bool tensor, found a {type(mask).__name__}"
    if mask.shape != shape or mask.dtype != torch.bool:
        return f"mask of '{name}': expected bool {tuple(shape)}, found {mask.dtype} {tuple(mask.shape)}"
    return None
