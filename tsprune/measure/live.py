"""Which parameters have an effect on the forecast, found by gradient."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.layers.masks import mask_problem
from tsprune.layers.wrappers import innermost
from tsprune.seeded import seeded

ROUNDING = 1e-4
"""A gradient this much smaller in float64 than in float32 is rounding only: it shrinks with the precision (by about
1e-9), while a true one stays."""
SMALLEST = 1e-13
"""Below this share of the largest gradient of its own tensor, a float64 gradient is taken as rounding."""


@dataclass(frozen=True)
class LiveReport:
    """What :func:`live_parameters` found: bool tensors by parameter name, True where the gradient is not zero."""

    in_evaluation: Mapping[str, Tensor]
    in_training: Mapping[str, Tensor]

    @property
    def masks(self) -> dict[str, Tensor]:
        """True where a parameter is live, in evaluation or in training."""
        return {name: live | self.in_training[name] for name, live in self.in_evaluation.items()}

    @property
    def live(self) -> int:
        """Parameters with an effect on the output, in evaluation or in training."""
        return sum(int(live.sum()) for live in self.masks.values())


def live_parameters(
    model: nn.Module, inputs: Sequence[Tensor | None], draws: int = 3, masks: Mapping[str, Tensor] | None = None
) -> LiveReport:
    """Find, element by element, the parameters whose small change moves the output.

    A parameter is live if the gradient of a random projection of the output is not zero. This is asked in evaluation
    mode and in training mode, ``draws`` times in each. The first draw uses ``inputs`` as they are, the others scale
    each input element by a random factor (zeros stay zero), so that a unit that is off by chance does not count as
    dead; units with a ReLU want a few dozen windows all the same. Gradients are float64, of a copy on the device of
    ``model``; neither ``model`` nor torch's random state is changed.

    A gradient that cancels out (the key bias of a softmax attention) is not exactly zero in floating point, and a true
    one can be tiny (FEDformer's Fourier weights): rounding is recognised by its size in float32 beside float64, see
    :data:`ROUNDING`. Discrete choices (which delays, which queries) have no gradient: a parameter that acts through
    them alone counts as dead.

    ``masks``: weights outside are set to zero in the copy and are not live; nor are those that nothing reaches then.
    Raises :class:`UserError` for a mask of no parameter, of another shape or of other numbers than bools, and for a
    gradient that is not finite.
    """
    model = innermost(model)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    if problem := mask_problem({} if masks is None else masks, shapes, "parameter"):
        raise UserError(problem)
    if not shapes:
        return LiveReport({}, {})
    copies = {dtype: copy.deepcopy(model).to(dtype) for dtype in (torch.float64, torch.float32)}
    device = next(model.parameters()).device
    for clone in copies.values():
        parameters = dict(clone.named_parameters())
        for name, mask in (masks or {}).items():
            parameters[name].data.mul_(mask.to(device))
    live = {}
    for training in (False, True):
        live[training] = {n: torch.zeros(p.shape, dtype=torch.bool) for n, p in _trainable(copies[torch.float64])}
        for draw in range(draws):
            given = _scaled(inputs, draw, device)
            exact = _gradients(copies[torch.float64].train(training), given, draw)
            coarse = _gradients(copies[torch.float32].train(training), given, draw)
            for name, gradient in exact.items():
                size = gradient.abs()
                largest = size.max()
                if not largest.isfinite():
                    raise UserError(
                        f"the gradient of '{name}' is not finite: live parameters cannot be told from dead ones"
                    )
                if largest > ROUNDING * coarse[name].abs().max():
                    live[training][name] |= (size > SMALLEST * largest).cpu()
        for name in live[training].keys() & (masks or {}).keys():  # a frozen parameter is not asked about
            live[training][name] &= masks[name].cpu()
    return LiveReport(live[False], live[True])


def _trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _scaled(inputs: Sequence[Tensor | None], draw: int, device: torch.device) -> list[Tensor | None]:
    """``inputs`` in float64; from the second draw on, each element times a random factor around 1, the same on every
    device."""
    generator = torch.Generator().manual_seed(draw)

    def change(x: Tensor) -> Tensor:
        x = x.detach().to("cpu", torch.float64)
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        return (x if draw == 0 else x * (1 + noise / 2)).to(device)

    return [None if x is None else change(x) for x in inputs]


def _gradients(model: nn.Module, inputs: list[Tensor | None], draw: int) -> dict[str, Tensor]:
    """Gradients, in float64, of a random projection of the output; no entry for a parameter without one."""
    model.zero_grad(set_to_none=True)
    dtype, device = (first := next(model.parameters())).dtype, first.device
    generator = torch.Generator().manual_seed(draw)
    own = [device] if device.type == "cuda" else []
    # The same dropout in both precisions. cuDNN has no gradient of an LSTM in evaluation, and rounds float32.
    with seeded(draw, own), torch.backends.cudnn.flags(enabled=False):
        output = model(*(None if x is None else x.to(dtype) for x in inputs))
        direction = torch.randn(output.shape, generator=generator, dtype=torch.float64).to(device, dtype)
        (output * direction).sum().backward()
    return {name: p.grad.double() for name, p in _trainable(model) if p.grad is not None}
