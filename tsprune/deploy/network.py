"""A forecaster as a network with named inputs and nothing else: bare, or from values and dates to values."""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from tsprune.data.calendar import field_names, field_ranges
from tsprune.errors import UserError
from tsprune.models import About, Forecaster
from tsprune.models.base import INPUTS

PRECISIONS = (torch.float32, torch.float64)


class Bare(nn.Module):
    """The forecaster itself, with only the inputs that it uses: scaled values, calendar features in [-0.5, 0.5]."""

    units: ClassVar[str] = "scaled"
    calendar: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: Forecaster):
        super().__init__()
        self.model = model
        self.inputs = tuple(name for name in INPUTS if name in model.uses)
        self.dtype = precision(model)
        self.train(model.training)  # so that restoring the mode restores that of the model

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """In the order of ``inputs``, shapes as :class:`Forecaster` has them; ``(batch, pred_len, c_out)``."""
        return self.model(**dict(zip(self.inputs, given, strict=True)))

    def example(self, batch: int) -> tuple[torch.Tensor, ...]:
        """Inputs that are the same at each call."""
        generator = torch.Generator().manual_seed(batch)
        shapes = self.model.input_shapes()
        return tuple(torch.randn(batch, *shapes[name], generator=generator).to(self.dtype) for name in self.inputs)

    def scaled(self, forecast: torch.Tensor) -> torch.Tensor:
        return forecast


class RealUnits(nn.Module):
    """The forecaster with the scaler and the scaling of calendar fields inside.

    ``values`` (batch, seq_len, columns) float64 in the data's own units, ``calendar`` (batch, seq_len + pred_len,
    fields) int64 as :func:`tsprune.data.calendar.calendar_fields` gives them, where the model reads a calendar; the
    forecast (batch, pred_len, columns) is float64 in those units. Values are scaled in double precision and then
    rounded, like the windows that models are trained on. A column that was constant in training (scaled by 1, so that
    its mean is its value) and is that in all of ``values``, up to the rounding to single precision, is forecast as that
    constant: what a network makes of zeros is noise.

    Raises :class:`UserError` if ``about`` does not say the columns' scale, or if the model forecasts other columns than
    it reads.
    """

    units: ClassVar[str] = "real"

    def __init__(self, model: Forecaster, about: About | None):
        super().__init__()
        c = model.config
        if about is None or not about.columns:
            raise UserError(
                f"{model.name}: the checkpoint does not say columns, mean and std, which a forecast in the data's own "
                "units needs; save it with About(columns=..., mean=..., std=...), or export with --units scaled"
            )
        widths = {c.enc_in, c.c_out, *({c.dec_in} if "x_dec" in model.uses else ())}
        if widths != {len(about.columns)}:
            raise UserError(
                f"{model.name}: reads enc_in = {c.enc_in} and dec_in = {c.dec_in} columns and forecasts c_out = "
                f"{c.c_out}; forecasts in the data's own units need all three equal; export with --units scaled"
            )
        self.model = model
        self.dtype = precision(model)
        marked = bool({"x_mark_enc", "x_mark_dec"} & set(model.uses))
        self.calendar = field_names(c.freq) if marked else ()
        self.inputs = ("values", "calendar") if marked else ("values",)
        firsts, spans = field_ranges(c.freq)
        for name, numbers in (("mean", about.mean), ("std", about.std), ("firsts", firsts), ("spans", spans)):
            self.register_buffer(name, torch.as_tensor(numbers, dtype=torch.float64))
        self.may_be_constant = 1 in about.std

    def forward(self, values: torch.Tensor, calendar: torch.Tensor | None = None) -> torch.Tensor:
        c = self.model.config
        x = ((values - self.mean) / self.std).to(self.dtype)
        given = {"x_enc": x}
        known = c.seq_len - c.label_len
        if "x_dec" in self.model.uses:
            given["x_dec"] = F.pad(x[:, known:], (0, 0, 0, c.pred_len))
        if calendar is not None:
            marks = ((calendar.double() - self.firsts) / self.spans - 0.5).to(self.dtype)
            given |= {"x_mark_enc": marks[:, : c.seq_len], "x_mark_dec": marks[:, known:]}
        forecast = self.model(**given).double() * self.std + self.mean
        if not self.may_be_constant:
            return forecast
        still = ((self.std == 1) & (values.float() == self.mean.float())).all(1, keepdim=True)
        return torch.where(still, self.mean, forecast)

    def example(self, batch: int) -> tuple[torch.Tensor, ...]:
        """Inputs that are the same at each call."""
        generator = torch.Generator().manual_seed(batch)
        c = self.model.config
        values = torch.randn(batch, c.seq_len, len(self.mean), generator=generator).double() * self.std + self.mean
        shape = batch, c.seq_len + c.pred_len, len(self.spans)
        fields = (torch.rand(shape, generator=generator) * self.spans).round() + self.firsts
        return (values, fields.long())[: len(self.inputs)]

    def scaled(self, forecast: torch.Tensor) -> torch.Tensor:
        """A forecast in standard deviations of the training rows."""
        return (forecast - self.mean) / self.std


def precision(model: Forecaster) -> torch.dtype:
    """Of the weights. Raises :class:`UserError` where it is not one that ONNX Runtime computes with on a CPU, and where
    they lie elsewhere."""
    if elsewhere := {weight.device.type for weight in model.parameters()} - {"cpu"}:
        raise UserError(
            f"{model.name}: the weights are on {', '.join(sorted(elsewhere))}; move them to the CPU: model.cpu()"
        )
    found = {weight.dtype for weight in model.parameters()} or {torch.float32}
    if len(found) > 1 or not found <= set(PRECISIONS):
        named = ", ".join(sorted(map(str, found)))
        raise UserError(f"{model.name}: the weights are {named}; allowed are float32 and float64: model.float()")
    return found.pop()
