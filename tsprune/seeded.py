"""Draws from torch's global generator that are the same whatever runs beside them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

# All threads share that generator: while one draws from its seed, none of the others may begin to.
_DRAWING = threading.RLock()


@contextmanager
def seeded(seed: int, devices: Sequence[torch.device] = ()) -> Iterator[None]:
    """Inside the block the global generators, that of the CPU and those of ``devices``, start from ``seed``; afterwards
    they are as before. One block runs at a time, whatever the number of threads."""
    with _DRAWING, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
