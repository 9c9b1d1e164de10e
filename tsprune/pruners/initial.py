"""Masks before the first step, by a score of the initial weights."""

from collections.abc import Sequence

from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.allocation import Allocation
from tsprune.pruners.masks import Masks, pruned
from tsprune.pruners.scores import Calibration, get_score, score_weights
from tsprune.pruners.selection import best, check_finite


def initial_masks(
    model: nn.Module,
    names: Sequence[str],
    score: str,
    density: float,
    allocation: Allocation,
    *,
    rounds: int | None = None,
    calibration: Calibration | None = None,
    seed: int = 0,
) -> Masks:
    """Masks of the weights ``names`` of ``model`` that keep the share ``density`` of them, those of highest ``score``.

    In ``rounds`` steps of equal ratio, density^(1/n), density^(2/n), ..., each with the scores of the model as the last
    one left it (SynFlow: arXiv 2006.05467, algorithm 1); None: as many as are published for the score. ``model`` is not
    changed. Raises :class:`UserError` for a weight without a score.
    """
    rounds = get_score(score).rounds if rounds is None else rounds
    masks: Masks = {}
    for turn in range(1, rounds + 1):
        with pruned(model, masks):
            found = score_weights(score, model, calibration, seed)
        missing = [name for name in names if name not in found.scores]
        if missing:
            why = found.left[missing[0]]
            raise UserError(
                f"score '{score}' cannot choose a starting mask: '{missing[0]}': {why}; you can exclude that weight"
            )
        scores: dict[str, Tensor] = {name: found.scores[name] for name in names}
        check_finite(scores)
        total = sum(s.numel() for s in scores.values())
        among = list(masks.values()) or None
        most = [int(mask.sum()) for mask in masks.values()] or None
        kept = best(list(scores.values()), round(density ** (turn / rounds) * total), allocation, among, most)
        masks = dict(zip(names, kept, strict=True))
    return masks
