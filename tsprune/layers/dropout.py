"""Dropout that is cheap on a CPU and whose random numbers belong to one model, not to the process."""

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from tsprune.errors import UserError

LEVELS = 2**16
LANES = 4  # 16-bit numbers in one 64-bit draw


class Dropout(nn.Module):
    """Sets each element to zero with probability ``p`` in training and scales the others by ``1 / (1 - p)``.

    The mask comes from random 16-bit integers compared with a threshold: one 64-bit draw serves four elements, several
    times cheaper on a CPU than a Bernoulli draw for each. ``p`` is therefore rounded to the nearest ``k / 65536`` below
    1, and the scale uses the rounded value, so the expected output is exactly the input (in bfloat16: to its rounding).

    ``generator`` is the source of the numbers (``None``: torch's default generator of the device). It is set with
    :func:`seed_dropout`, is no part of the ``state_dict``, and a deep copy of the model gets its own generator in the
    same state: copy and original then draw the same masks, independently of each other.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout probability must be in [0, 1), not {p}")
        self.dropped_levels = min(round(p * LEVELS), LEVELS - 1)  # something stays: what does not has no gain
        self.generator: torch.Generator | None = None

    @property
    def p(self) -> float:
        """The probability in effect, a multiple of 1 / 65536."""
        return self.dropped_levels / LEVELS

    @property
    def active(self) -> bool:
        """Whether a call changes its input: in training with p > 0."""
        return self.training and self.dropped_levels > 0

    @property
    def gain(self) -> float:
        """What a call in training scales the kept elements by."""
        return 1 / (1 - self.p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask(x).mul_(self.gain) if self.active else x

    def thin(self, x: torch.Tensor) -> torch.Tensor:
        """Set elements to zero without scaling the others: for a caller with a cheaper place to :meth:`make_up`."""
        return x * self.mask(x) if self.active else x

    def make_up(self, x: torch.Tensor) -> torch.Tensor:
        """Only scale, for what was or will be thinned."""
        return x * self.gain if self.active else x

    def mask(self, x: torch.Tensor) -> torch.Tensor:
        """Zeros and ones in the shape and dtype of ``x``; a one with probability 1 - p."""
        draws = torch.empty((x.numel() + LANES - 1) // LANES, dtype=torch.int64, device=x.device)
        draws.random_(-(2**63), None, generator=self.generator)
        levels = draws.view(torch.int16)[: x.numel()].view(x.shape)  # uniform on -32768 .. 32767
        return levels.ge_(self.dropped_levels - LEVELS // 2).to(x.dtype)

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


def seed_dropout(model: nn.Module, seed: int | None, device: torch.device | str = "cpu") -> None:
    """Give all :class:`Dropout` modules of ``model`` one generator on ``device``, seeded with ``seed``.

    Two models trained side by side in threads then draw independent, repeatable masks. ``seed=None`` goes back to
    torch's default generator.

    Raises :class:`UserError` for a dropout of torch's own: its numbers are the process's, and a training would hang on
    what else runs in it.
    """
    generator = None if seed is None else torch.Generator(device).manual_seed(seed)
    for name, module in model.named_modules():
        if isinstance(module, Dropout):
            module.generator = generator
        elif isinstance(module, _DropoutNd) and module.p > 0 and seed is not None:
            raise UserError(
                f"{type(model).__name__}: '{name}' is torch.nn.{type(module).__name__}, which cannot be seeded; take "
                "tsprune.layers.Dropout, so that a training can be repeated"
            )
