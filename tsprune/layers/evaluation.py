"""Evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation(*models: nn.Module) -> Iterator[None]:
    """Inside the block the models are in evaluation mode; on leaving, each of their modules is in the mode it was in: a
    batch norm that its owner holds in evaluation stays so in a model in training."""
    before = [(module, module.training) for model in models for module in model.modules()]
    try:
        for model in models:
            model.eval()
        yield
    finally:
        for module, training in before:
            module.training = training
