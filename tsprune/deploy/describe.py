"""The card of a network that was made from a checkpoint."""

from collections.abc import Mapping

import torch

from tsprune.data.described import Described
from tsprune.deploy.card import Card
from tsprune.deploy.network import Bare, RealUnits
from tsprune.measure import count_parameters
from tsprune.models import About
from tsprune.pruners import density


def describe(network: Bare | RealUnits, masks: Mapping[str, torch.Tensor], about: About) -> Card:
    """The card of ``network`` without what its export alone tells (opset, multiply-adds, difference from PyTorch).

    The density is that of the ``masks``; without masks, what ``about`` says; otherwise 1.
    """
    model = network.model
    stated = 1.0 if about.density_achieved is None else about.density_achieved
    said = {
        "units": network.units,
        "model": model.name,
        "calendar": network.calendar,
        "weights": str(network.dtype).removeprefix("torch."),
        "density": density(model, masks).over_prunable if masks else stated,
        "parameters": count_parameters(model),
    }
    lengths = model.config.model_dump(include={"seq_len", "label_len", "pred_len", "freq"})
    return Card.parse(said | lengths | about.model_dump(include=set(Described.model_fields)), where=model.name)
