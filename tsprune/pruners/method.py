"""The base of methods of sparse training: when masks are updated, how much is exchanged, and how weights come and
go."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from tsprune.pruners.schedules import Schedule
from tsprune.typed import AboveZero, Config, ZeroToOne

if TYPE_CHECKING:
    from tsprune.pruners.dynamic import Sparsity


class Method(Config):
    """Base of all methods. A method's own defaults are those of its authors; what depends on the length of the training
    is as in the public code of PALS (arXiv 2305.18382), which also runs rivals: an update every 20 steps, and up to 0.7
    of the training where the authors name no share.
    """

    name: ClassVar[str]
    updates: ClassVar[bool] = True
    """Whether the method does anything after the start."""
    asks_density: ClassVar[bool] = False
    """Whether the method is given its final density, as its field ``density``."""
    grows_by_gradient: ClassVar[bool] = False
    every: Annotated[int, Field(ge=1)] = 20
    """Optimiser steps between updates."""
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training before which no mask is updated."""
    until: AboveZero = 0.7
    """Share of the training after which the masks stay."""
    zeta: AboveZero = 0.5
    """Share of a layer's weights exchanged at an update, at the start; it goes to ``zeta_end``."""
    zeta_end: ZeroToOne = 0.005
    zeta_schedule: Schedule = "half cosine"
    zeta_over: Literal["training", "updates"] = "training"
    """What ``zeta_end`` is the end of: the training, or the updates."""
    regrown: Literal["keep", "zero", "random"] = "zero"
    """Value of a weight that is removed and grown again in the same update; ``random``: drawn as for ``new``."""
    new: Literal["zero", "random"] = "zero"
    """Value of a weight that did not exist before the update; ``random``: normal, as spread as the tensor's weights
    were at the start."""
    reset_moments: bool = False
    """True: what the optimiser remembers of new weights starts at zero. One that is regrown and keeps its value is not
    new."""
    mask_gradients: bool = False
    """True: the optimiser sees no gradient of weights that do not exist."""
    update_replaces_step: bool = False
    """True: a step that updates masks does not update weights."""
    exclude: Annotated[list[str], Field(default_factory=list)]
    """Weights that stay dense, besides those that are not trained: patterns of parameter or module names, with ``*``
    and ``?`` as in file names. A density counts only the other weights."""

    def problem(self, sparsity: "Sparsity") -> str | None:
        """Why this method does nothing in that many steps, in one line, or None."""

    def start(self, sparsity: "Sparsity") -> None:
        """Set the masks before the first step; none: dense."""

    def settled(self, sparsity: "Sparsity") -> bool:
        """Whether the model is as sparse as it should be in the end."""
        return True

    @abstractmethod
    def update(self, sparsity: "Sparsity") -> str:
        """Change the masks, every ``every`` steps; return a word for what was done."""
