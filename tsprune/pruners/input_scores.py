"""Scores that look at what a layer is given."""

from torch import Tensor, nn

from tsprune.pruners.calibration import layer_inputs
from tsprune.pruners.masks import prunable_weights
from tsprune.pruners.scores import Calibration, Scored, register


@register("wanda", needs="inputs")
def wanda(model: nn.Module, calibration: Calibration, seed: int = 0) -> Scored:
    """Absolute value of the weight times the norm of its input over the calibration batches (Sun et al. 2023, arXiv
    2306.11695, equation 1; norms as root of the mean square, which keeps their order within a layer).

    Its authors rank within each output: ``select(..., scope="output")``. Weights that are not those of a Linear, Conv1d
    or LSTM are left.
    """
    squares: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def visit(name: str, rows: Tensor) -> None:
        squares[name] = squares.get(name, 0) + rows.float().square().sum(0)
        counts[name] = counts.get(name, 0) + len(rows)

    left = layer_inputs(model, calibration, visit)
    scores = {}
    for name, weight in prunable_weights(model).items():
        if name in squares:
            norm = (squares[name] / counts[name]).sqrt()
            scores[name] = (weight.detach().abs().flatten(1) * norm).view(weight.shape)
    return Scored(scores, left)
