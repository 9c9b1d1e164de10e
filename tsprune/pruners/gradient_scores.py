"""Scores that ask the gradient."""

import copy

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.calibration import batches, gradients_on, summed_gradients
from tsprune.pruners.masks import prunable_weights
from tsprune.pruners.scores import Calibration, Scored, register

FROZEN = "it is frozen: it has no gradient"


@register("taylor", needs="targets")
def taylor(model: nn.Module, calibration: Calibration, seed: int = 0) -> Scored:
    """``|w dL/dw|``: by how much the error would change without the weight, to first order (Molchanov et al. 2017,
    arXiv 1611.06440, section 2.2, here of single weights). Gradients of the mean squared error, added up over the
    batches; a weight that the forecast does not depend on has zero."""
    weights = {name: w for name, w in prunable_weights(model).items() if w.requires_grad}
    gradients = summed_gradients(model, list(weights.values()), calibration)
    scores = {n: (w.detach() * g).abs() for (n, w), g in zip(weights.items(), gradients, strict=True)}
    return Scored(scores, {name: FROZEN for name in prunable_weights(model) if name not in weights})


@register("snip", needs="targets")
def snip(model: nn.Module, calibration: Calibration, seed: int = 0) -> Scored:
    """Connection sensitivity of a model that is not trained yet: ``|w dL/dw|`` over the sum of all (Lee et al. 2019,
    arXiv 1810.02340, section 4.1). Its authors use one batch, and one ranking over all layers."""
    scores, left = taylor(model, calibration, seed)
    total = sum(float(s.sum()) for s in scores.values()) or 1.0
    return Scored({name: s / total for name, s in scores.items()}, left)


@register("synflow", needs="inputs", rounds=100)
def synflow(model: nn.Module, calibration: Calibration, seed: int = 0) -> Scored:
    """``|w dR/dw|``, where R is the sum of the forecast of a window of ones by the model with the absolute values of
    all its parameters (Tanaka et al. 2020, arXiv 2006.05467, algorithm 1: 100 rounds). Of the
    calibration batches only the shapes are used.

    A batch norm is the identity before training; so is a layer norm here, which would else let nothing through. A model
    that subtracts the mean of its window does not see ones at all: what no flow reaches is left, with that reason.
    """
    positive = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.copy_(parameter.abs())  # not in place: complex ones are as large, and stay complex
    for module in positive.modules():
        if isinstance(module, (nn.LayerNorm, nn.BatchNorm1d)):
            module.forward = lambda x: x
    inputs, _ = next(batches(calibration))
    weights = {name: w for name, w in prunable_weights(positive).items() if w.requires_grad}
    with gradients_on(positive):
        forecast = positive(*(None if x is None else torch.ones_like(x[:1]) for x in inputs))
        if not isinstance(forecast, Tensor):
            raise UserError(f"{type(model).__name__} gives a {type(forecast).__name__}; synflow needs a tensor")
        if weights and forecast.requires_grad:
            flows = torch.autograd.grad(forecast.sum(), list(weights.values()), materialize_grads=True)
            scores = {n: (w.detach() * g).abs() for (n, w), g in zip(weights.items(), flows, strict=True)}
        else:
            scores = {name: torch.zeros_like(w) for name, w in weights.items()}
    left = {name: FROZEN for name in prunable_weights(model) if name not in weights}
    return Scored(*no_flow(scores, left))


def no_flow(scores: dict[str, Tensor], left: dict[str, str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Leaves out what has zeros only."""
    some = {name: s for name, s in scores.items() if bool((s > 0).any())}
    return some, left | {name: "no flow reaches it" for name in scores if name not in some}
