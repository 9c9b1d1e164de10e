"""What this machine's processor can do, as far as PyTorch tells."""

import torch


def has_bfloat16() -> bool:
    """Whether oneDNN, which computes most layers in bfloat16 here, has instructions for it (AVX-512 at least). Without
    them PyTorch emulates it, several times as slow as float32, and oneDNN has no LSTM."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
