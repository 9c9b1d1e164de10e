"""The rivals of PALS: methods with a schedule fixed beforehand, as their authors run them.

Every choice is a field, its default the published one. What is the same in all, the interval between updates and the
share of the training that has them, is discussed at :class:`Method`.
"""

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from tsprune.errors import UserError
from tsprune.pruners.allocation import Allocation, by_shape
from tsprune.pruners.dynamic import Growth, Sparsity
from tsprune.pruners.initial import initial_masks
from tsprune.pruners.method import Method
from tsprune.pruners.schedules import Schedule, cubic
from tsprune.pruners.scores import get_score
from tsprune.typed import AboveZero, ZeroToOne


class Dense(Method):
    """Nothing is removed.

    A method that is sparse only late in the training chooses its best epoch among the last ones; ``settles_at`` lets a
    dense training choose among the same ones, as the control for it.
    """

    name: ClassVar[str] = "dense"
    updates: ClassVar[bool] = False
    settles_at: ZeroToOne = 0.0
    """Share of the training before which no epoch may be the best."""

    def settled(self, sparsity: Sparsity) -> bool:
        return sparsity.step >= self.settles_at * sparsity.steps - 1e-9

    def update(self, sparsity: Sparsity) -> str:
        return "stay"


class Static(Method):
    """A mask chosen before the first step and held: is training the mask worth anything?

    At random it is the control of RigL's paper (arXiv 1911.11134, section 4.1). By a score it is pruning at
    initialisation: ``snip`` (arXiv 1810.02340) and ``synflow`` (arXiv 2006.05467), both with ``distribution="global"``.
    """

    name: ClassVar[str] = "static"
    asks_density: ClassVar[bool] = True
    updates: ClassVar[bool] = False
    density: AboveZero = 0.5
    distribution: Allocation = "erk"
    score: str = "random"
    """A name of :func:`tsprune.pruners.list_scores`."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """In how many steps, each with scores of what the last one left, the density is reached; None: as published for
    the score (:class:`tsprune.pruners.scores.Score`)."""

    @field_validator("score")
    @classmethod
    def _score_exists(cls, name: str) -> str:
        try:
            return get_score(name).name
        except UserError as error:
            raise ValueError(str(error)) from None

    def start(self, sparsity: Sparsity) -> None:
        if self.score == "random" and self.distribution in ("layer", "erk"):
            start_at(sparsity, self.density, self.distribution)
        else:
            sparsity.start_from(
                initial_masks(
                    sparsity.model,
                    sparsity.names,
                    self.score,
                    self.density,
                    self.distribution,
                    rounds=self.rounds,
                    calibration=sparsity.calibration,
                    seed=sparsity.seed,
                )
            )

    def update(self, sparsity: Sparsity) -> str:
        return "stay"


class OneShot(Method):
    """Dense up to the share ``at`` of the training; then the smallest weights go at once, the rest is trained on."""

    name: ClassVar[str] = "one_shot"
    asks_density: ClassVar[bool] = True
    density: AboveZero = 0.5
    at: AboveZero = 0.35
    scope: Allocation = "global"

    def problem(self, sparsity: Sparsity) -> str | None:
        if self._begins(sparsity) <= sparsity.last_update:
            return None
        return (
            f"at = {self.at:g}: it would never prune, the last update is step {sparsity.last_update} of "
            f"{sparsity.steps} (until = {self.until:g}, every = {self.every})"
        )

    def _begins(self, sparsity: Sparsity) -> float:
        """The step that pruning may not come before: 0.55 of 100 is 55, not a rounding error more."""
        return self.at * sparsity.steps - 1e-9

    def settled(self, sparsity: Sparsity) -> bool:
        return "pruned" in sparsity.memory

    def update(self, sparsity: Sparsity) -> str:
        if sparsity.memory.get("pruned") or sparsity.step < self._begins(sparsity):
            return "stay"
        sparsity.memory["pruned"] = True
        sparsity.keep_only(round(self.density * sum(sparsity.sizes)), self.scope)
        return "shrink"


class GMP(Method):
    """Gradual magnitude pruning along a cubic, the same share of every layer (Zhu & Gupta 2017, arXiv 1710.01878,
    section 3 and equation 1). What is gone stays gone: a masked weight is not trained there, and never grows above the
    threshold again."""

    name: ClassVar[str] = "gmp"
    asks_density: ClassVar[bool] = True
    density: AboveZero = 0.5
    scope: Allocation = "layer"

    def settled(self, sparsity: Sparsity) -> bool:
        return sparsity.step >= sparsity.last_update

    def update(self, sparsity: Sparsity) -> str:
        planned = cubic(sparsity.progress, 1, self.density)
        sparsity.keep_only(round(planned * sum(sparsity.sizes)), self.scope)
        return "shrink"


class GlobalGMP(GMP):
    """GMP with one ranking over all layers, as GraNet (arXiv 2106.10404) and PALS (arXiv 2305.18382) compare with."""

    name: ClassVar[str] = "gmp_global"
    scope: Allocation = "global"


class GraNet(Method):
    """Gradual pruning by one ranking, and at each update a share ``zeta`` of every layer is exchanged by gradient (Liu
    et al. 2021, arXiv 2106.10404, algorithm 1).

    As in the authors' code the exchange goes on until the training ends, its share a half cosine over all of it; what
    the exchange removes and regrows keeps its value, what the ranking removed does not; momentum of missing weights is
    zero. ``initial_density`` 1 is the paper's dense-to-sparse, 0.5 its sparse-to-sparse training.
    """

    name: ClassVar[str] = "granet"
    asks_density: ClassVar[bool] = True
    grows_by_gradient: ClassVar[bool] = True
    until: AboveZero = 1.0
    regrown: Literal["keep", "zero", "random"] = "keep"
    reset_moments: bool = True
    mask_gradients: bool = True
    density: AboveZero = 0.5
    initial_density: AboveZero = 1.0
    distribution: Literal["layer", "erk"] = "erk"
    """How a sparse start is spread over the layers."""
    target_at: AboveZero = 0.7
    """Share of the training at which the density is reached."""
    scope: Allocation = "global"

    def problem(self, sparsity: Sparsity) -> str | None:
        if self.density > self.initial_density:
            return f"density = {self.density:g} is more than initial_density = {self.initial_density:g}"
        reached = sparsity.update_at(self.target_at)
        if sparsity.begin < reached <= sparsity.last_update:
            return None
        return (
            f"target_at = {self.target_at:g}: allowed is a value within the updates, steps "
            f"{sparsity.begin + self.every} to {sparsity.last_update} of {sparsity.steps}"
        )

    def start(self, sparsity: Sparsity) -> None:
        if self.initial_density < 1:
            start_at(sparsity, self.initial_density, self.distribution)

    def settled(self, sparsity: Sparsity) -> bool:
        return sparsity.step >= sparsity.update_at(self.target_at)

    def update(self, sparsity: Sparsity) -> str:
        reached = sparsity.update_at(self.target_at)
        if sparsity.step <= reached:
            progress = (sparsity.step - sparsity.begin) / (reached - sparsity.begin)
            planned = cubic(progress, self.initial_density, self.density)
            sparsity.keep_only(round(planned * sum(sparsity.sizes)), self.scope)
            sparsity.let_go()
        exchange_share(sparsity, math.ceil)
        return "shrink" if sparsity.step <= reached else "exchange"


class SET(Method):
    """A fixed density; in every layer the share ``zeta`` of the positive weights nearest to zero and of the negative
    ones makes room for random ones (Mocanu et al. 2018, arXiv 1707.04780, algorithm 1).

    The share is constant, and new weights are drawn at random, those too that were removed just before. Weights evolve
    up to the last epoch, of ten; the authors' code does it once per epoch, and begins each epoch with a new optimiser:
    here only the moments of new weights start anew.
    """

    name: ClassVar[str] = "set"
    asks_density: ClassVar[bool] = True
    until: AboveZero = 0.9
    zeta: AboveZero = 0.3
    zeta_schedule: Schedule = "constant"
    regrown: Literal["keep", "zero", "random"] = "random"
    new: Literal["zero", "random"] = "random"
    reset_moments: bool = True
    mask_gradients: bool = True
    density: AboveZero = 0.5
    distribution: Literal["layer", "erk"] = "erk"
    removal: Literal["each sign", "magnitude"] = "each sign"
    """``magnitude``: the smallest go, whatever their sign."""

    def start(self, sparsity: Sparsity) -> None:
        complex_ones = [name for name, w in zip(sparsity.names, sparsity.weights, strict=True) if w.is_complex()]
        if complex_ones and self.removal == "each sign":
            raise UserError(
                f"set: '{complex_ones[0]}' is complex and has no sign; allowed is removal = 'magnitude', or exclude it"
            )
        start_at(sparsity, self.density, self.distribution)

    def update(self, sparsity: Sparsity) -> str:
        if self.removal == "magnitude":
            exchange_share(sparsity, math.floor, "random")
        else:
            sparsity.grow(sparsity.remove_near_zero(sparsity.zeta), "random")
        return "exchange"


class RigL(Method):
    """A fixed density; in every layer the share ``zeta`` of smallest magnitude makes room for those of largest gradient
    (Evci et al. 2020, arXiv 1911.11134, algorithm 1).

    The share is a half cosine from 0.3 to 0 at the last update (25,000 of 32,000 steps). New weights start at zero and
    without momentum; as in the authors' code one that is removed and chosen again at once keeps its value and its
    momentum, an update takes the place of a step, and momentum sees gradients of existing weights only.
    """

    name: ClassVar[str] = "rigl"
    asks_density: ClassVar[bool] = True
    grows_by_gradient: ClassVar[bool] = True
    until: AboveZero = 25 / 32
    zeta: AboveZero = 0.3
    zeta_end: ZeroToOne = 0.0
    zeta_over: Literal["training", "updates"] = "updates"
    regrown: Literal["keep", "zero", "random"] = "keep"
    reset_moments: bool = True
    mask_gradients: bool = True
    update_replaces_step: bool = True
    density: AboveZero = 0.5
    distribution: Literal["layer", "erk"] = "erk"

    def start(self, sparsity: Sparsity) -> None:
        start_at(sparsity, self.density, self.distribution)

    def update(self, sparsity: Sparsity) -> str:
        exchange_share(sparsity, math.floor)
        return "exchange"


def start_at(sparsity: Sparsity, density: float, distribution: Literal["layer", "erk"]) -> None:
    """A random mask of this density, exact in sum."""
    sparsity.start_with(by_shape(sparsity.shapes, round(density * sum(sparsity.sizes)), distribution))


def exchange_share(sparsity: Sparsity, whole: Callable[[float], int], by: Growth = "gradient") -> None:
    """Exchange the share ``zeta`` of every layer's weights, made a ``whole`` number; the density stays."""
    counts = [min(whole(sparsity.zeta * k), k - 1) for k in sparsity.kept]
    sparsity.exchange(counts, counts, by)
