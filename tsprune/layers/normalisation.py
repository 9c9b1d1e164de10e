"""Taking the level and the spread of a window out before a model and putting them back after it."""

import torch


def standardise(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``(batch, length, channels)`` with mean 0 and variance 1 over time; the mean and std ``(batch, 1, channels)``.

    Population variance plus 1e-5 under the root (Liu et al. 2022, arXiv 2205.14415, eq. 1, as the reference computes
    it).
    """
    mean = x.mean(1, keepdim=True)
    x = x - mean
    std = (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return x / std, mean, std
