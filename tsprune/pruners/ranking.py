"""Exactly the k largest entries of each tensor, without a sort and with one copy to Python for all of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

_BITS = 16  # the threshold is found in two passes over this many bits each


def largest(scores: Sequence[Tensor], counts: Sequence[int], among: Sequence[Tensor] | None = None) -> list[Tensor]:
    """Bool tensors of the shapes of ``scores``, True at the ``counts[i]`` largest entries; of equal ones the first.

    ``scores`` are not negative and are compared as float32. ``among``: bool tensors, only entries that are True there
    are chosen; ``counts`` must not ask for more than there are.
    """
    chosen, surplus = [], []
    for i, (score, count) in enumerate(zip(scores, counts, strict=True)):
        keys = _keys(score, None if among is None else among[i])
        keep = keys >= _threshold(keys, count) if count else torch.zeros_like(keys, dtype=torch.bool)
        chosen.append((keys, keep))
        surplus.append(keep.sum() - count)
    too_many = torch.stack(surplus).tolist() if surplus else []
    for (keys, keep), number in zip(chosen, too_many, strict=True):
        if number:  # entries equal to the threshold: the last of them go
            ties = (keys == keys[keep].min()).nonzero().squeeze(1)
            keep[ties[-number:]] = False
    return [keep.view(score.shape) for (_, keep), score in zip(chosen, scores, strict=True)]


def _keys(score: Tensor, among: Tensor | None) -> Tensor:
    """Integers in the order of the scores: the bits of a float that is not negative grow with it. 0 is out of reach."""
    keys = score.detach().flatten().float().view(torch.int32) + 1
    return keys if among is None else keys.mul_(among.flatten())


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
