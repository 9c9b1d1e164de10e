"""Loading weights that Time-Series-Library saved, under its names and in its layouts."""

import re
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import torch

from tsprune.errors import UserError
from tsprune.models.base import Forecaster, Rule

WEIGHT = r"(weight|bias)"
POSITION_TABLE = re.compile(r".*position_embedding\.pe")


def squeeze_tap(weight: torch.Tensor) -> torch.Tensor:
    """A convolution of width 1 ``(out, in, 1)`` as a Linear weight ``(out, in)``."""
    return weight.squeeze(-1)


def taps_in(weight: torch.Tensor) -> torch.Tensor:
    """A convolution of width 3 ``(out, in, 3)`` as a Linear weight over neighbours side by side ``(out, 3 in)``."""
    return weight.permute(0, 2, 1).flatten(1)


def taps_out(weight: torch.Tensor) -> torch.Tensor:
    """A convolution of width 3 ``(out, in, 3)`` as a Linear weight to the three taps ``(3 out, in)``."""
    return weight.permute(2, 0, 1).flatten(0, 1)


EMBEDDING_RULES: tuple[Rule, ...] = (
    (r"(enc|dec)_embedding\.value_embedding\.tokenConv\.weight", r"\1_embedding.value.weight", taps_in),
    (r"(enc|dec)_embedding\.temporal_embedding\.embed\.weight", r"\1_embedding.time.weight", None),
)
ENCODER_RULES: tuple[Rule, ...] = (
    (
        rf"encoder\.attn_layers\.(\d+)\.attention\.(\w+)_projection\.{WEIGHT}",
        r"encoder.layers.\1.attention.\2.\3",
        None,
    ),
    (r"encoder\.attn_layers\.(\d+)\.conv1\.weight", r"encoder.layers.\1.feed_forward.up.weight", squeeze_tap),
    (r"encoder\.attn_layers\.(\d+)\.conv2\.weight", r"encoder.layers.\1.feed_forward.down.weight", squeeze_tap),
    (r"encoder\.attn_layers\.(\d+)\.conv1\.bias", r"encoder.layers.\1.feed_forward.up.bias", None),
    (r"encoder\.attn_layers\.(\d+)\.conv2\.bias", r"encoder.layers.\1.feed_forward.down.bias", None),
    (rf"encoder\.attn_layers\.(\d+)\.(norm\d)\.{WEIGHT}", r"encoder.layers.\1.\2.\3", None),
    (rf"encoder\.norm\.{WEIGHT}", r"encoder.norm.\1", None),
)
DECODER_RULES: tuple[Rule, ...] = (
    (
        rf"decoder\.layers\.(\d+)\.(self|cross)_attention\.(\w+)_projection\.{WEIGHT}",
        r"decoder.layers.\1.\2_attention.\3.\4",
        None,
    ),
    (r"decoder\.layers\.(\d+)\.conv1\.weight", r"decoder.layers.\1.feed_forward.up.weight", squeeze_tap),
    (r"decoder\.layers\.(\d+)\.conv2\.weight", r"decoder.layers.\1.feed_forward.down.weight", squeeze_tap),
    (r"decoder\.layers\.(\d+)\.conv1\.bias", r"decoder.layers.\1.feed_forward.up.bias", None),
    (r"decoder\.layers\.(\d+)\.conv2\.bias", r"decoder.layers.\1.feed_forward.down.bias", None),
    (rf"decoder\.layers\.(\d+)\.(norm\d)\.{WEIGHT}", r"decoder.layers.\1.\2.\3", None),
    (rf"decoder\.norm\.{WEIGHT}", r"decoder.norm.\1", None),
    (rf"decoder\.projection\.{WEIGHT}", r"projection.\1", None),
)
DECOMPOSITION_RULES: tuple[Rule, ...] = (
    (r"decoder\.layers\.(\d+)\.projection\.weight", r"decoder.layers.\1.trend_projection.weight", taps_out),
    (rf"(encoder|decoder)\.norm\.layernorm\.{WEIGHT}", r"\1.norm.norm.\2", None),
)


class Translated(NamedTuple):
    """What :func:`from_reference` made of a reference ``state_dict``."""

    ours: dict[str, torch.Tensor]  # under our names and in our layouts
    unknown: list[str]  # names that no rule knows
    dropped: list[str]  # names of weights that the published model has, but never uses


def from_reference(model: Forecaster, state: Mapping[str, torch.Tensor]) -> Translated:
    """Apply the rules of ``model``, the first that matches a name. Position tables are left out.

    Tensors that share a place (tied weights, saved under several names) must be equal: else :class:`UserError`.
    """
    ours, unknown, dropped = {}, [], []
    for name, tensor in model.regroup_reference(state).items():
        if POSITION_TABLE.fullmatch(name):
            continue
        for pattern, replacement, layout in model.reference_rules:
            if match := re.fullmatch(pattern, name):
                if replacement is None:
                    dropped.append(name)
                    break
                place, tensor = match.expand(replacement), tensor if layout is None else layout(tensor)
                if place in ours and not torch.equal(ours[place], tensor):
                    raise UserError(f"{model.name}: {name} differs from the weights it is tied to")
                ours[place] = tensor
                break
        else:
            unknown.append(name)
    return Translated(ours, unknown, dropped)


def load_reference_state(model: Forecaster, state_dict: Mapping[str, torch.Tensor]) -> None:
    """Load a ``state_dict`` written by Time-Series-Library (commit 4e938a1 or one with the same names) into ``model``.

    Position tables (``...position_embedding.pe``) are accepted and ignored: they follow from the config. Weights that
    the published model never uses are dropped with a warning where ``model`` does not have them. Names that the model
    does not have, names it misses, and shapes that do not fit raise :class:`UserError`, which lists them; the model is
    then unchanged.
    """
    ours, unknown, dropped = from_reference(model, state_dict)
    own = model.state_dict()
    unknown += sorted(ours.keys() - own.keys())
    missing = sorted(n for n in own.keys() - ours.keys() if not any(re.fullmatch(p, n) for p in model.own_state))
    shapes = [
        f"{name} has shape {tuple(tensor.shape)}, the model's is {tuple(own[name].shape)}"
        for name, tensor in ours.items()
        if name in own and tensor.shape != own[name].shape
    ]
    lines = []
    if unknown:
        lines.append(f"{model.name} has no place for: {', '.join(unknown)}")
    if missing:
        lines.append(f"{model.name} needs, but the checkpoint lacks: {', '.join(missing)}")
    if shapes:
        lines.append(f"{model.name}, with its present config, does not fit: {'; '.join(shapes)}")
    if lines:
        raise UserError("\n".join(lines))
    if dropped:
        warnings.warn(f"{model.name}: {len(dropped)} weights left out, never used: {', '.join(dropped)}", stacklevel=2)
    model.load_state_dict(ours, strict=False)  # complete but for own_state, as checked above
