"""A forecaster in bfloat16, two bytes to a weight: what a model costs that needs no pruning."""

import copy

import torch
from torch import Tensor

from tsprune.models import Forecaster


class InBfloat16:
    """``model`` with its weights turned once, as a service would, and not anew in each forecast, as autocast does.

    A copy, called as the model is with inputs of any type; forecasts are bfloat16. On a processor without instructions
    for it PyTorch emulates it, far slower than float32.
    """

    def __init__(self, model: Forecaster):
        self.model = copy.deepcopy(model).to(torch.bfloat16)

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        return self.model(*(None if x is None else x.to(torch.bfloat16) for x in inputs))
