"""How precisely cuDNN computes with float32 on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def whole_float32() -> Iterator[None]:
    """Let convolutions and recurrent layers compute in full float32. By torch's default cuDNN cuts it to TF32's 10 bits
    of mantissa, while products of matrices are exact: an LSTM's forecast then differs from the CPU's by 2e-5 and not
    1e-7.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
