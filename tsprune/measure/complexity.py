"""Size of a model and cost of a forecast, counted and not estimated."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters; a tied tensor counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def matmul_macs(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Multiply-adds of one forward pass on ``inputs`` in matrix products and convolutions, as torch counts them.

    Half of ``FlopCounterMode``'s figure (it counts two per multiply-add). Attention is included; element-wise work,
    norms, softmax and Fourier transforms are not.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(*inputs)
    finally:
        model.train(was_training)
    return counter.get_total_flops() // 2
