"""Size of a model: its parameters."""

from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters; a tied tensor counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
