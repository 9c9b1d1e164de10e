"""The network of a checkpoint in real units, run by PyTorch."""

import os
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch

from tsprune.deploy.card import Card, Run
from tsprune.deploy.describe import describe
from tsprune.deploy.network import RealUnits
from tsprune.models import load_checkpoint, read_about


def from_checkpoint(path: str | os.PathLike) -> tuple[Card, Run]:
    """The card of a checkpoint, as an exported file would have it, and its network.

    Raises as ``load_checkpoint`` does, and as :class:`RealUnits`."""
    model, masks = load_checkpoint(path)
    about = read_about(path)
    network = RealUnits(model, about).eval()

    return describe(network, masks, about), partial(_run, network)


def _run(network: RealUnits, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return network(**{name: torch.tensor(array) for name, array in inputs.items()}).numpy()
