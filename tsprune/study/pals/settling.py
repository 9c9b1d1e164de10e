"""The first epoch that a method may choose as its best: the first at whose end it is as sparse as intended."""

from functools import lru_cache

import torch
from torch import nn

from tsprune.errors import UserError
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.method import Method
from tsprune.pruners.methods import make_method
from tsprune.training import Adam
from tsprune.typed import canonical_json


def first_epoch(method: str, fields: dict, steps: int, epochs: int) -> int | None:
    """The first epoch, of ``epochs`` with ``steps`` each, that may be the best; None: none, or the method refuses so
    few steps (which its training then tells as its failure)."""
    return _first_epoch(method, canonical_json(make_method(method, **fields).model_dump(mode="json")), steps, epochs)


@lru_cache
def _first_epoch(name: str, fields: str, steps: int, epochs: int) -> int | None:
    """Tried on one small layer: when a method settles depends on the steps, not on the model."""
    method = type(make_method(name)).model_validate_json(fields)
    if type(method).settled is Method.settled:
        return 1
    layer = nn.Linear(64, 64, bias=False)
    layer.weight.grad = torch.zeros_like(layer.weight)
    try:
        sparsity = Sparsity(method, steps=steps * epochs)
    except UserError:
        return None
    sparsity.attach(layer, Adam(layer.parameters()))
    for step in range(1, steps * epochs + 1):
        sparsity.after_step(torch.zeros(()))
        if step % steps == 0 and sparsity.settled:
            return step // steps
    return None
