"""What this machine's processor can do, as far as PyTorch tells, and how many of its threads compute."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def has_bfloat16() -> bool:
    """Whether oneDNN, which computes most layers in bfloat16 here, has instructions for it (AVX-512 at least). Without
    them PyTorch emulates it, several times as slow as float32, and oneDNN has no LSTM."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Inside the block torch computes on ``count`` threads (None: on as many as before); afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
