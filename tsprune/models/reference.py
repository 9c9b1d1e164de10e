"""Loading weights that Time-Series-Library saved, under its names and in its layouts."""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from tsprune.errors import UserError
from tsprune.models.base import Forecaster, Rule
from tsprune.models.state_file import read_state
from tsprune.models.weights import PRECISIONS, no_weight, same_kind, unusable, unwrapped, without_wrappers

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

    Raises :class:`UserError` for tensors that share a place (tied weights, saved under several names) and are not
    equal, and for such as cannot be brought into our layout.
    """
    ours, unknown, dropped = {}, [], []
    try:
        regrouped = model.regroup_reference(state)
    except RuntimeError as error:
        raise UserError(
            f"{model.name}: tensors that tsprune holds as one cannot be joined: {str(error).splitlines()[0]}"
        ) from None
    for name, tensor in regrouped.items():
        if POSITION_TABLE.fullmatch(name):
            continue
        rule = next((rule for rule in model.reference_rules if re.fullmatch(rule[0], name)), None)
        if rule is None:
            unknown.append(name)
            continue
        pattern, replacement, layout = rule
        if replacement is None:
            dropped.append(name)
            continue
        place = re.fullmatch(pattern, name).expand(replacement)
        tensor = relaid(f"{model.name}: {name}", tensor, layout)
        if place in ours and not torch.equal(ours[place], tensor):
            raise UserError(f"{model.name}: {name} differs from the weights it is tied to")
        ours[place] = tensor
    return Translated(ours, unknown, dropped)


def relaid(name: str, tensor: torch.Tensor, layout: Callable[[torch.Tensor], torch.Tensor] | None) -> torch.Tensor:
    """The reference's ``tensor`` in our layout. Raises :class:`UserError` with its ``name`` if it is not in theirs."""
    try:
        return tensor if layout is None else layout(tensor)
    except (RuntimeError, IndexError):  # the second for a dimension that is not there
        raise UserError(f"{name} has shape {tuple(tensor.shape)}, which no reference model has there") from None


def load_reference_state(model: Forecaster, state_dict: Mapping[str, torch.Tensor] | str | os.PathLike) -> None:
    """Load a ``state_dict`` written by Time-Series-Library (commit 4e938a1 or one with the same names) into ``model``,
    or the file that holds one: safetensors, or of ``torch.save``, from which tensors are read and no code is run.

    Names may begin as those of a compiled or data-parallel model do. Position tables (``...position_embedding.pe``) are
    accepted and ignored: they follow from the config. Weights that the published model never uses are dropped with a
    warning where ``model`` does not have them. Numbers are rounded to the precision of ``model``.

    Names that the model does not have, names it misses, shapes and kinds of numbers that do not fit, and numbers that
    are NaN or infinite raise :class:`UserError`, which lists them; the model is then unchanged.
    """
    model = unwrapped(model)
    given = named_tensors(state_dict)
    ours, unknown, dropped = from_reference(model, without_wrappers(given))
    if lines := _misfits(model, given, ours, unknown):
        raise UserError("\n".join(lines))
    if dropped:
        warnings.warn(
            f"{model.name}: {len(dropped)} weights left out, as the model never uses them: {', '.join(dropped)}",
            stacklevel=2,
        )
    model.load_state_dict(ours, strict=False)  # complete but for own_state, as checked above


def _misfits(
    model: Forecaster, given: Mapping[str, torch.Tensor], ours: Mapping[str, torch.Tensor], unknown: list[str]
) -> list[str]:
    """Why ``ours``, which :func:`from_reference` made of ``given``, cannot be loaded: a line per kind of reason."""
    own = model.state_dict()
    unknown = [*unknown, *sorted(ours.keys() - own.keys())]
    missing = sorted(n for n in own.keys() - ours.keys() if not any(re.fullmatch(p, n) for p in model.own_state))
    shared = {name: tensor for name, tensor in ours.items() if name in own}
    shapes = [
        f"{name} has shape {tuple(tensor.shape)}, the model's is {tuple(own[name].shape)}"
        for name, tensor in shared.items()
        if tensor.shape != own[name].shape
    ]
    kinds = [
        f"{name} is {tensor.dtype}, the model's is {own[name].dtype}"
        for name, tensor in shared.items()
        if not same_kind(own[name], tensor)
    ]
    lines = []
    if unknown:
        lines.append(f"{model.name} has no place for: {', '.join(unknown)}{_meant(model, given)}")
    if missing:
        lines.append(f"the checkpoint lacks what {model.name} needs: {', '.join(missing)}")
    if shapes:
        lines.append(f"{model.name}, with its present config, does not fit: {'; '.join(shapes)}")
    if kinds:
        lines.append(f"{model.name} cannot take: {'; '.join(kinds)}")
    # As they will be: what is finite in float64 need not be so in the model's precision.
    if not lines and (problem := unusable({name: tensor.to(own[name].dtype) for name, tensor in shared.items()})):
        lines.append(f"{model.name}: {problem}")
    return lines


def _meant(model: Forecaster, given: Mapping[str, torch.Tensor]) -> str:
    """What helps where a name is not known: names are the model's own, some or all begin with words of what is around
    the model, or torch has put masks beside weights."""
    if any(name.endswith("_orig") and f"{name.removesuffix('orig')}mask" in given for name in given):
        return (
            "; torch.nn.utils.prune has split weights: multiply each *_orig by its *_mask, or save after prune.remove"
        )
    begins = {name[: i + 1] for name in given for i, letter in enumerate(name) if letter == "."}
    for begin in ("", *sorted(begins, key=lambda each: (len(each), each))):
        part = {name.removeprefix(begin): tensor for name, tensor in given.items() if name.startswith(begin)}
        whole, own = len(part) == len(given), part.keys() == model.state_dict().keys()
        if not own and not _fits(model, part, whole):
            continue
        how = f"remove {begin!r} from {'each name' if whole else 'the names that begin so, and leave out the others'}"
        if not own:
            return f"; {how}"
        return f"; these are its own names: {how + ', then ' if begin else ''}use load_state_dict"
    return ""


def _fits(model: Forecaster, part: Mapping[str, torch.Tensor], whole: bool) -> bool:
    """Whether the names of ``part``, ``whole`` or not, may be those of the reference's weights of ``model``."""
    try:
        ours, unknown, _ = from_reference(model, part)
    except UserError:
        return False
    return not unknown and (whole or ours.keys() >= model.state_dict().keys())


def named_tensors(state: object) -> Mapping[str, torch.Tensor]:
    """``state``, or what the file at that path holds, if it is tensors by name: else :class:`UserError`."""
    if isinstance(state, str | os.PathLike):
        state = read_state(state)
    if not isinstance(state, Mapping):
        raise UserError(
            f"a state_dict holds tensors by name, or is the path of a file; this is a {type(state).__name__}"
        )
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            within = [key for key, value in state.items() if isinstance(value, Mapping)]  # beside an epoch, it may be
            where = f"; is {within[0]!r:.60} the state_dict? Pass only that" if within else ""
            raise UserError(
                f"a state_dict holds tensors by name; {name!r:.60} in it is a {type(tensor).__name__}{where}"
            )
        # Before tensors are joined or compared, which turns one kind into another.
        counts = name.endswith("num_batches_tracked")
        if problem := no_weight(name, tensor):
            raise UserError(problem)
        if tensor.dtype not in PRECISIONS and not counts:
            raise UserError(f"{name} is {tensor.dtype}; weights are {', '.join(map(str, PRECISIONS))}")
    return state
