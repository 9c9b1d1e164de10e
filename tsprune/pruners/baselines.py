"""The rivals of PALS: methods with a schedule fixed beforehand."""

from typing import ClassVar

from tsprune.pruners.dynamic import Growth, Method, Share, Sparsity
from tsprune.pruners.schedules import cubic
from tsprune.pruners.selection import Scope


class Dense(Method):
    """Nothing is removed."""

    name: ClassVar[str] = "dense"
    updates: ClassVar[bool] = False

    def update(self, sparsity: Sparsity) -> str:
        return "stay"


class Static(Method):
    """A random mask, drawn once and held: is training the mask worth anything?"""

    name: ClassVar[str] = "static"
    asks_density: ClassVar[bool] = True
    updates: ClassVar[bool] = False
    density: Share = 0.5

    def start(self, sparsity: Sparsity) -> None:
        sparsity.start_at(self.density)

    def update(self, sparsity: Sparsity) -> str:
        return "stay"


class OneShot(Method):
    """Dense up to the share ``at`` of the training; then the smallest weights go at once, the rest is trained on."""

    name: ClassVar[str] = "one_shot"
    asks_density: ClassVar[bool] = True
    density: Share = 0.5
    at: Share = 0.35
    scope: Scope = "global"

    def settled(self, sparsity: Sparsity) -> bool:
        return "pruned" in sparsity.memory

    def update(self, sparsity: Sparsity) -> str:
        if sparsity.memory.get("pruned") or sparsity.step < self.at * sparsity.steps:
            return "stay"
        sparsity.memory["pruned"] = True
        sparsity.keep_only(round(self.density * sum(sparsity.sizes)), self.scope)
        return "shrink"


class GMP(Method):
    """Gradual magnitude pruning along a cubic (Zhu & Gupta 2017, arXiv 1710.01878, equation 1)."""

    name: ClassVar[str] = "gmp"
    asks_density: ClassVar[bool] = True
    density: Share = 0.5
    scope: Scope = "global"

    def settled(self, sparsity: Sparsity) -> bool:
        return sparsity.step >= sparsity.last_update

    def update(self, sparsity: Sparsity) -> str:
        planned = cubic(sparsity.progress, 1, self.density)
        sparsity.keep_only(round(planned * sum(sparsity.sizes)), self.scope)
        return "shrink"


class GraNet(GMP):
    """GMP, and at each update a share ``zeta`` of every layer is exchanged by gradient (Liu et al. 2021, arXiv
    2106.10404)."""

    name: ClassVar[str] = "granet"
    grows_by_gradient: ClassVar[bool] = True

    def update(self, sparsity: Sparsity) -> str:
        super().update(sparsity)
        swap(sparsity, "gradient")
        return "shrink"


class SET(Method):
    """A fixed density; the smallest weights of every layer make room for random ones (Mocanu et al. 2018, arXiv
    1707.04780)."""

    name: ClassVar[str] = "set"
    asks_density: ClassVar[bool] = True
    density: Share = 0.5

    def start(self, sparsity: Sparsity) -> None:
        sparsity.start_at(self.density)

    def update(self, sparsity: Sparsity) -> str:
        swap(sparsity, "gradient" if self.grows_by_gradient else "random")
        return "exchange"


class RigL(SET):
    """As SET, but those of largest gradient come (Evci et al. 2020, arXiv 1911.11134)."""

    name: ClassVar[str] = "rigl"
    grows_by_gradient: ClassVar[bool] = True
    zeta: Share = 0.3


def swap(sparsity: Sparsity, by: Growth) -> None:
    """Exchange the share ``zeta`` of every layer's weights; the density stays."""
    counts = [min(round(sparsity.zeta * k), s - 1) for k, s in zip(sparsity.kept, sparsity.sizes, strict=True)]
    counts = [min(n, k - 1) for n, k in zip(counts, sparsity.kept, strict=True)]
    sparsity.exchange(counts, counts, by)
