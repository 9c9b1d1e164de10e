"""An exported network with the call of the model that it was made from, so that both are tested and timed alike."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from tsprune.data.calendar import field_ranges
from tsprune.deploy.card import Card
from tsprune.deploy.session import Session
from tsprune.measure.latency import Variant
from tsprune.models.base import INPUTS


class InPlace(nn.Module):
    """Called as a forecaster, with scaled values and calendar features; forecasts scaled values, on the CPU.

    For a file in real units the inputs are scaled back to these first: calendar fields exactly, values to the last
    digit of float32, in which :func:`tsprune.data.make_splits` keeps them.
    """

    def __init__(self, card: Card, session: Session):
        super().__init__()
        self.card, self.session = card, session

    def forward(self, *given: torch.Tensor | None) -> torch.Tensor:
        """Inputs as :class:`tsprune.models.Forecaster` has them; ``(batch, pred_len, c_out)`` float32."""
        found = self.scaled(self.session.run(self.arrays(*given)))
        return torch.from_numpy(found.astype(np.float32, copy=False))

    def scaled(self, forecast: np.ndarray) -> np.ndarray:
        """What the file forecasts, in standard deviations of the training rows."""
        if self.card.units == "scaled":
            return forecast
        return (forecast - np.array(self.card.mean)) / np.array(self.card.std)

    def arrays(self, *given: torch.Tensor | None) -> dict[str, np.ndarray]:
        """The same inputs as the file names and takes them."""
        named = dict(zip(INPUTS, given, strict=True))
        if self.card.units == "scaled":
            return {name: named[name].numpy() for name in self.session.inputs}
        mean, std = np.array(self.card.mean), np.array(self.card.std)
        inputs = {"values": named["x_enc"].double().numpy() * std + mean}
        if self.card.calendar:
            known = self.card.label_len
            marks = torch.cat([named["x_mark_enc"], named["x_mark_dec"][:, known:]], dim=1).double().numpy()
            firsts, spans = field_ranges(self.card.freq)
            inputs["calendar"] = np.rint((marks + 0.5) * spans + firsts).astype(np.int64)
        return inputs


def to_be_timed(session: Session, arrays: Mapping[str, np.ndarray]) -> Variant:
    """For :func:`tsprune.measure.measure_latency`: the runtime alone, on inputs that are as the file takes them."""

    def call(*inputs: torch.Tensor) -> np.ndarray:
        return session.run(dict(zip(arrays, (each.numpy() for each in inputs), strict=True)))

    return call, [torch.from_numpy(array) for array in arrays.values()]
