"""What others put around a model, and around a weight."""

from collections.abc import Iterator

from torch import nn
from torch.nn.utils import parametrize

PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def innermost(model: nn.Module) -> nn.Module:
    """The model inside ``torch.compile`` and ``DataParallel``: its own names begin with no word of a wrapper's."""
    while hasattr(model, "_orig_mod") or isinstance(model, PARALLEL):
        model = model.module if isinstance(model, PARALLEL) else model._orig_mod
    return model


def computed(model: nn.Module) -> str | None:
    """The first tensor of ``model`` that is computed from parameters at each call, and what makes one parameter of it,
    in words; None where there is none. Zeros in those parameters are no zeros of it, or it has others."""
    name, how = next(_computed(model), (None, None))
    return name and f"'{name}' is computed from other parameters at each call; first make it one: {how}"


def _computed(model: nn.Module) -> Iterator[tuple[str, str]]:
    for name, module in model.named_modules():
        place = f"{name}." if name else ""
        if parametrize.is_parametrized(module):
            for tensor in module.parametrizations:
                yield place + tensor, f"torch.nn.utils.parametrize.remove_parametrizations(layer, '{tensor}')"
        for hook in module._forward_pre_hooks.values():  # how torch prunes, and normed weights before there were these
            kind = type(hook)
            if kind.__module__.startswith("torch.nn.utils."):
                tensor = getattr(hook, "name", None) or hook._tensor_name
                undo = _UNDO.get(kind.__name__, "prune.remove")
                yield place + tensor, f"torch.nn.utils.{undo}(layer, '{tensor}')"


_UNDO = {"WeightNorm": "remove_weight_norm", "SpectralNorm": "remove_spectral_norm"}
