"""From calibration batches: the inputs of every layer and the gradient of every weight, one batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.overrides import TorchFunctionMode

from tsprune.errors import UserError
from tsprune.layers import evaluation
from tsprune.pruners.masks import owners, prunable_weights
from tsprune.pruners.scores import Calibration

Visit = Callable[[str, Tensor], None]


def layer_inputs(model: nn.Module, calibration: Calibration, visit: Visit) -> dict[str, str]:
    """Call ``visit(name, rows)`` with the inputs that every weight is multiplied with, batch by batch, without keeping
    them.

    ``rows`` is ``(positions, inputs)``: row i of the weight, flattened to ``(outputs, inputs)``, gives output i of a
    position as its product with a row. A position is a step of a window in a Linear, a place of the kernel in a Conv1d;
    for the hidden weights of an LSTM it is a step, and the inputs are the state before it. What torch multiplies is
    seen, whatever a layer makes of its input before. ``model`` runs in evaluation mode and is not changed.

    Returns the prunable weights that no rows were found for, each with the reason. Raises :class:`UserError` if there
    is no batch.
    """
    weights = prunable_weights(model)
    names = {id(w): name for name, w in weights.items()}
    reached: set[str] = set()

    def see(weight: Tensor, rows: Tensor) -> None:
        if name := names.get(id(weight)):
            reached.add(name)
            visit(name, rows)

    hooks = [
        module.register_forward_hook(partial(see_states, see))
        for module in model.modules()
        if isinstance(module, nn.LSTM) and one_layer(module)
    ]
    try:
        with evaluation(model), torch.no_grad(), SeenProducts(see):
            for inputs, _ in batches(calibration):
                model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    owner = owners(model)
    return {name: unseen(owner[id(w)]) for name, w in weights.items() if name not in reached}


class SeenProducts(TorchFunctionMode):
    """Inside the block ``see(weight, rows)`` hears of every linear map and every convolution in one dimension."""

    def __init__(self, see: Callable[[Tensor, Tensor], None]):
        super().__init__()
        self.see = see

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.linear:
            self._see_linear(*args, **kwargs)
        elif function is F.conv1d:
            self._see_convolution(*args, **kwargs)
        return function(*args, **kwargs)

    def _see_linear(self, input, weight, bias=None) -> None:
        self.see(weight, input.reshape(-1, input.shape[-1]))

    def _see_convolution(self, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> None:
        if groups == 1 and not isinstance(padding, str):
            step, edge, gap = (v if isinstance(v, int) else v[0] for v in (stride, padding, dilation))
            reach = gap * (weight.shape[2] - 1) + 1
            taps = F.pad(input, (edge, edge)).unfold(-1, reach, step)[..., ::gap]
            self.see(weight, taps.transpose(1, 2).flatten(2).flatten(0, 1))


def see_states(see: Callable[[Tensor, Tensor], None], module: nn.LSTM, inputs: tuple[Tensor, ...], output) -> None:
    """Hook of an LSTM: its inputs, and its states one step earlier; the first step starts from zeros."""
    states = output[0] if module.batch_first else output[0].transpose(0, 1)
    see(module.weight_ih_l0, inputs[0].flatten(0, 1))
    see(module.weight_hh_l0, F.pad(states[:, :-1], (0, 0, 1, 0)).flatten(0, 1))


def one_layer(module: nn.LSTM) -> bool:
    """Whether the inputs of all its weights can be seen from outside."""
    return module.num_layers == 1 and not module.bidirectional and not module.proj_size


def unseen(owner: nn.Module) -> str:
    """Why no inputs of a weight of ``owner`` were seen."""
    match owner:
        case nn.LSTM() if not one_layer(owner):
            return "its LSTM has several layers, directions or a projection"
        case nn.Conv1d() if owner.groups > 1 or isinstance(owner.padding, str):
            return "its Conv1d has groups, or a padding by name"
        case NonDynamicallyQuantizableLinear():  # the last product of nn.MultiheadAttention
            return "torch multiplies it within its attention"
        case nn.Linear() | nn.Conv1d() | nn.LSTM():
            return "no input reaches it"
    return f"not the weight of a Linear, Conv1d or LSTM but of {type(owner).__name__}"


def summed_gradients(model: nn.Module, weights: Sequence[nn.Parameter], calibration: Calibration) -> list[Tensor]:
    """Gradients of the mean squared error, added up over the batches; zero where the forecast does not depend on it.

    ``model`` runs in evaluation mode; its own ``.grad`` is not touched. Raises :class:`UserError` if there is no batch.
    """
    if not weights:
        return []
    with gradients_on(model):
        total = [torch.zeros_like(w) for w in weights]
        for inputs, target in batches(calibration):
            inputs, target = [_recordable(x) for x in inputs], _recordable(target)
            forecast = model(*inputs)
            if not isinstance(forecast, Tensor) or forecast.shape != target.shape:
                theirs = tuple(forecast.shape) if isinstance(forecast, Tensor) else f"a {type(forecast).__name__}"
                raise UserError(
                    f"{type(model).__name__} gives {theirs}, the calibration target is {tuple(target.shape)}"
                )
            loss = (forecast - target).square().mean()
            if not loss.requires_grad:  # the forecast depends on none of them
                continue
            for sum_, gradient in zip(total, torch.autograd.grad(loss, weights, materialize_grads=True), strict=True):
                sum_ += gradient
    return total


@contextmanager
def gradients_on(model: nn.Module) -> Iterator[None]:
    """Inside the block gradients are computed, with ``model`` in evaluation mode, even where the caller is in
    ``no_grad`` or inference mode."""
    without_cudnn = torch.backends.cudnn.flags(enabled=False)  # its LSTM has no gradient in evaluation
    with evaluation(model), torch.inference_mode(False), torch.enable_grad(), without_cudnn:
        yield


def _recordable(x: Tensor | None) -> Tensor | None:
    """``x``, or a copy of it where it was made in inference mode: no gradient is computed with such a tensor."""
    return x.clone() if isinstance(x, Tensor) and x.is_inference() else x


def batches(calibration: Calibration) -> Iterator[tuple[Sequence[Tensor | None], Tensor]]:
    """The batches of ``calibration``. Raises :class:`UserError` for what is no batch, and where there is none."""
    count = 0
    for batch in calibration:
        if not isinstance(batch, Sequence) or len(batch) != 2:
            raise UserError(f"a calibration batch is (inputs, target), not a {_told(batch)}")
        inputs, target = batch
        yield (inputs,) if isinstance(inputs, Tensor) else inputs, target
        count += 1
    if not count:
        raise UserError("calibration has no batch; give at least one (inputs, target)")


def _told(batch: object) -> str:
    return f"{type(batch).__name__} of {len(batch)}" if isinstance(batch, Sequence) else type(batch).__name__
