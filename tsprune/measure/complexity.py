"""Size of a model: its parameters, counted in four ways that are never mixed, and its file."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from tsprune.measure.live import live_parameters
from tsprune.models.base import Forecaster
from tsprune.models.checkpoint import save_checkpoint


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters; a tied tensor counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@dataclass(frozen=True)
class ParameterReport:
    """Numbers of trainable parameters, tied ones once. ``dataclasses.asdict`` gives the columns of a row."""

    parameters: int
    """All of them."""
    parameters_prunable: int
    """In weight tensors of two dimensions or more, which unstructured pruning may set to zero."""
    parameters_nonzero: int
    """Those inside the masks whose value is not zero."""
    parameters_live: int
    """Those inside the masks that the output depends on (:func:`live_parameters`), the masks applied."""
    parameters_live_prunable: int
    """The live ones among the prunable."""


def parameter_report(
    model: nn.Module, inputs: Sequence[Tensor | None], masks: Mapping[str, Tensor] | None = None, draws: int = 3
) -> ParameterReport:
    """Count the parameters of ``model`` under ``masks`` (parameter name to bool tensor; None: dense).

    ``inputs``, a batch of windows, and ``draws`` are those of :func:`live_parameters`, which raises the errors. The
    density of live parameters is ``parameters_live_prunable`` beside that of the dense model.
    """
    live = live_parameters(model, inputs, draws, masks).masks
    tensors = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    prunable = [name for name, tensor in tensors.items() if tensor.dim() >= 2]
    kept = {name: (t * masks[name]) if masks and name in masks else t for name, t in tensors.items()}
    return ParameterReport(
        parameters=sum(tensor.numel() for tensor in tensors.values()),
        parameters_prunable=sum(tensors[name].numel() for name in prunable),
        parameters_nonzero=sum(int(tensor.count_nonzero()) for tensor in kept.values()),
        parameters_live=sum(int(mask.sum()) for mask in live.values()),
        parameters_live_prunable=sum(int(live[name].sum()) for name in prunable),
    )


def checkpoint_size(model: Forecaster, masks: Mapping[str, Tensor] | None = None) -> int:
    """Bytes on disk of the checkpoint of ``model`` and ``masks``: written to a temporary folder and looked at."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_checkpoint(path, model, masks)
        return path.stat().st_size
