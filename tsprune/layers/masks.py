"""Masks: by parameter name a bool tensor of the parameter's shape. What is wrong with one, in words."""

from collections.abc import Mapping, Sequence

import torch

from tsprune.errors import unknown


def mask_problem(masks: object, shapes: Mapping[str, Sequence[int]], what: str) -> str | None:
    """The first thing wrong with ``masks`` for tensors of these ``shapes``, which a message calls ``what``; None where
    all fit."""
    if not isinstance(masks, Mapping):
        return _no_masks(masks)
    for name, mask in masks.items():
        if name not in shapes:
            return unknown(what, name, shapes)
        if problem := _misfit(name, mask, shapes[name]):
            return problem
    return None


def _no_masks(given: object) -> str:
    """Of what is no dict of masks."""
    inside = "; give its field masks" if hasattr(given, "masks") else ""  # what several pruners return
    return f"masks are a dict of bool tensors by parameter name, not a {type(given).__name__}{inside}"


def _misfit(name: str, mask: object, shape: Sequence[int]) -> str | None:
    """Of what is no mask of the parameter ``name``."""
    if not isinstance(mask, torch.Tensor):
        return f"mask of '{name}': expected a bool tensor, found a {type(mask).__name__}"
    if mask.shape != shape or mask.dtype != torch.bool:
        return f"mask of '{name}': expected bool {tuple(shape)}, found {mask.dtype} {tuple(mask.shape)}"
    return None
