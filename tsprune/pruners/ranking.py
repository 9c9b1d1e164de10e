"""Exactly the k entries of largest magnitude, within each tensor or over all, without a sort; ties go to the first.

Entries are compared as float32. The bits of a positive float, read as an integer, grow with it: a histogram of their
upper halves says in which bin the threshold lies, one of the lower halves of the few entries in that bin where. One
tensor is worked on at a time, in 16-bit integers, so that what is needed in between is small and stays in the cache.

A histogram's entries have to be picked out, and how many they are is a number that a GPU must hand to Python, for every
tensor. There torch's own selection finds the threshold, which it does in a few kernels.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

_HALF = 16  # bits
_SMALL = 2**14  # entries; up to there the time goes to the bins of a histogram and not to the entries
_FIRST = 2**15 - 1  # an upper half that no number has


def largest(scores: Iterable[Tensor], counts: Sequence[int], among: Iterable[Tensor] | None = None) -> list[Tensor]:
    """Bool tensors of the shapes of ``scores``, True at the ``counts[i]`` largest entries of each.

    ``among``: bool tensors; only entries that are True there are chosen, and ``counts`` must not ask for more.
    """
    masks = [None] * len(counts) if among is None else among
    return [_within(score, count, mask) for score, count, mask in zip(scores, counts, masks, strict=True)]


def largest_anywhere(
    scores: Sequence[Tensor], count: int, among: Iterable[Tensor] | None = None, one_each: bool = False
) -> list[Tensor]:
    """As :func:`largest`, the ``count`` largest of all tensors together; ``one_each``: the best of each first."""
    masks = [None] * len(scores) if among is None else among
    if _waits(scores[0]):
        return _selected(scores, masks, count, one_each)
    uppers, bits = _halves(scores, masks)
    if one_each:
        for upper, all_bits in zip(uppers, bits, strict=True):
            places, lower = _inside(upper, all_bits, upper.max())
            upper.view(-1)[places[lower.argmax()]] = _FIRST
    return _choose(uppers, bits, count)


def _waits(score: Tensor) -> bool:
    """Whether Python must wait for a size that depends on these numbers."""
    return score.device.type != "cpu"


def _selected(scores: Sequence[Tensor], among: Iterable[Tensor | None], count: int, one_each: bool) -> list[Tensor]:
    """True at the ``count`` largest of all tensors; nothing depends on the numbers but numbers."""
    every = []
    for score, mask in zip(scores, among, strict=True):
        bits = _ordered(score, mask)
        if one_each:
            best = bits == bits.max()
            bits = bits.masked_fill(best & (best.cumsum(0) == 1), 2**31 - 1)
        every.append(bits)
    bits = torch.cat(every)
    kept = _from(bits, _last_of(bits, count), count).split([b.numel() for b in every])
    return [part.view(score.shape) for part, score in zip(kept, scores, strict=True)]


def _last_of(bits: Tensor, count: int) -> Tensor:
    """The ``count``-th largest: of the largest or the smallest, whichever are fewer to select."""
    fewer = bits.numel() - count + 1
    if not count:
        return bits.new_tensor(2**31 - 1)  # which no entry exceeds
    if count <= fewer:
        return bits.topk(count, sorted=False).values.min()
    return bits.topk(fewer, largest=False, sorted=False).values.max()


def _ordered(score: Tensor, mask: Tensor | None) -> Tensor:
    """In one row, positive integers in the order of the magnitudes; 0: cannot be chosen."""
    bits = (_float(score).flatten().view(torch.int32) & 2**31 - 1) + 1
    return bits if mask is None else bits.mul_(mask.flatten())


def _float(score: Tensor) -> Tensor:
    """In float32, with the magnitude of the number; of a complex one, its absolute value."""
    return (score.detach().abs() if score.is_complex() else score.detach()).float()


def _from(bits: Tensor, value: Tensor, count: int) -> Tensor:
    """True at the ``count`` largest, of which ``value`` is the last; of those that equal it, at the first."""
    keep, ties = bits > value, bits == value
    return keep | (ties & (ties.cumsum(0) <= count - keep.sum()))


def _within(score: Tensor, count: int, among: Tensor | None) -> Tensor:
    if _waits(score):
        return _selected([score], [among], count, one_each=False)[0]
    if not count or score.numel() > _SMALL:
        return _choose(*_halves([score], [among]), count)[0]
    bits = _ordered(score, among)
    value = bits.kthvalue(score.numel() - count + 1).values
    return _from(bits, value, count).view(score.shape)


def _halves(scores: Iterable[Tensor], among: Iterable[Tensor | None]) -> tuple[list[Tensor], list[Tensor]]:
    """Per tensor the upper half of the bits without the sign, plus one; 0: cannot be chosen. And all bits."""
    bits = [_float(score).contiguous().view(torch.int32) for score in scores]
    uppers = [(b >> _HALF).short().bitwise_and_(2**15 - 1).add_(1) for b in bits]
    return [u if mask is None else u.mul_(mask) for u, mask in zip(uppers, among, strict=True)], bits


def _choose(uppers: Sequence[Tensor], bits: Sequence[Tensor], count: int) -> list[Tensor]:
    """True at the ``count`` largest of all tensors."""
    if not count:
        return [torch.zeros_like(upper, dtype=torch.bool) for upper in uppers]
    totals = sum(torch.bincount(upper.flatten(), minlength=2**15) for upper in uppers)
    bin_, room = _last(totals, sum(upper.numel() for upper in uppers), count)
    inside = [_inside(upper, all_bits, bin_) for upper, all_bits in zip(uppers, bits, strict=True)]
    lower = torch.cat([low for _, low in inside])
    value, room = _last(torch.bincount(lower, minlength=2**_HALF), len(lower), room)
    ties = lower == value
    chosen = ((lower > value) | (ties & (ties.cumsum(0) <= room))).split([len(places) for places, _ in inside])
    # Comparing into 16 bits and narrowing is five times as fast as comparing into bool.
    keep = [upper.gt_(bin_).to(torch.int8).view(torch.bool) for upper in uppers]
    for mask, (places, _), own in zip(keep, inside, chosen, strict=True):
        mask.view(-1)[places] = own
    return keep


def _inside(upper: Tensor, bits: Tensor, bin_: Tensor) -> tuple[Tensor, Tensor]:
    """Where the entries with this upper half are, and their lower halves."""
    places = torch.eq(upper, bin_, out=torch.empty_like(upper)).flatten().nonzero().squeeze(1)
    return places, bits.view(-1)[places] & (2**_HALF - 1)


def _last(totals: Tensor, size: int, count: int | Tensor) -> tuple[Tensor, Tensor]:
    """The bin that the ``count``-th largest of ``size`` entries lies in, and how many of that bin are as large."""
    up_to = totals.cumsum(0)
    bin_ = torch.searchsorted(up_to, size - count + 1)
    return bin_, up_to[bin_] - (size - count)
