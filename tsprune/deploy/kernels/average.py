"""Moving averages, computed without the zeros of their matrix."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tsprune.deploy.kernels.compiled import load
from tsprune.deploy.kernels.product import need_plain
from tsprune.errors import UserError


@dataclass(frozen=True)
class Average:
    """The mean over time of the ``before`` values before each, itself, and the ``after`` values after it; beyond the
    ends the value there counts.

    ``path``: see :func:`load`, which raises the errors. Runs on as many threads as torch does.
    """

    before: int
    after: int
    path: str

    def __call__(self, x: Tensor, rest: bool = False) -> Tensor:
        """Of ``x`` (batch, length, channels), the same shape; with ``rest`` what it leaves of ``x``.

        Raises :class:`UserError` for anything but float32 on the CPU, another shape, and where a gradient is asked for.
        """
        need_plain(x, "a moving average of the kernel")
        if x.dim() != 3:
            raise UserError(f"a moving average takes (batch, length, channels), not {tuple(x.shape)}")
        x = x.resolve_neg().contiguous()
        y = torch.empty_like(x)
        batch, length, channels = x.shape
        run = load(self.path).average
        run(x.data_ptr(), y.data_ptr(), batch, length, channels, self.before, self.after, rest, torch.get_num_threads())
        return y
