"""Exactly the k largest entries, within each tensor or over all of them, without a sort; ties go to the first.

Scores are not negative and are compared as float32. The bits of such a float, read as an integer, grow with it: the
threshold is found by counting integers, and how many entries equal it is copied to Python once for all tensors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_BITS = 16  # the threshold is found in two passes over this many bits each
_FIRST = 2**31 - 1  # a key that no score reaches


def largest(scores: Sequence[Tensor], counts: Sequence[int], among: Sequence[Tensor] | None = None) -> list[Tensor]:
    """Bool tensors of the shapes of ``scores``, True at the ``counts[i]`` largest entries of each.

    ``among``: bool tensors; only entries that are True there are chosen, and ``counts`` must not ask for more.
    """
    chosen = _choose(_keys(scores, among), counts)
    return [keep.view(score.shape) for keep, score in zip(chosen, scores, strict=True)]


def largest_anywhere(
    scores: Sequence[Tensor], count: int, among: Sequence[Tensor] | None = None, one_each: bool = False
) -> list[Tensor]:
    """As :func:`largest`, the ``count`` largest of all tensors together; ``one_each``: the best of each first."""
    keys = _keys(scores, among)
    if one_each:
        for key in keys:
            key[key.argmax()] = _FIRST
    (chosen,) = _choose([torch.cat(keys)], [count])
    parts = chosen.split([score.numel() for score in scores])
    return [part.view(score.shape) for part, score in zip(parts, scores, strict=True)]


def _keys(scores: Sequence[Tensor], among: Sequence[Tensor] | None) -> list[Tensor]:
    """Flat integers in the order of the scores; 0 cannot be chosen."""
    keys = [score.detach().flatten().float().view(torch.int32) + 1 for score in scores]
    if among is not None:
        keys = [key.mul_(mask.flatten()) for key, mask in zip(keys, among, strict=True)]
    return keys


def _choose(keys: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
    chosen = [key >= _threshold(key, n) if n else key < 0 for key, n in zip(keys, counts, strict=True)]
    surplus = torch.stack([keep.sum() - n for keep, n in zip(chosen, counts, strict=True)]).tolist() if keys else []
    for key, keep, number in zip(keys, chosen, surplus, strict=True):
        if number:  # more entries equal the threshold than there is room for: the last of them go
            ties = (key == key[keep].min()).nonzero().squeeze(1)
            keep[ties[-number:]] = False
    return chosen


def _threshold(keys: Tensor, count: int) -> Tensor:
    """The ``count``-th largest of ``keys``: count the upper halves of the bits, then the lower ones in that bin."""
    rank = len(keys) - count + 1
    upper = keys >> _BITS
    totals = torch.bincount(upper, minlength=2 ** (31 - _BITS)).cumsum(0)
    bin_ = torch.searchsorted(totals, rank)
    below = torch.where(bin_ > 0, totals[(bin_ - 1).clamp(min=0)], 0)
    lower = torch.where(upper == bin_, keys & (2**_BITS - 1), 2**_BITS)
    totals = torch.bincount(lower, minlength=2**_BITS + 1).cumsum(0)
    return (bin_ << _BITS) + torch.searchsorted(totals, rank - below)
