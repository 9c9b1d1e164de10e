"""PALS: the loss decides whether a model shrinks, expands or stays while it is trained (arXiv 2305.18382).

``variant("paper")`` is the method as the paper describes it, ``variant("code")`` as its public code runs it; every
difference is a field. One thing is neither's: the code looks at the validation set right before the optimiser's step
that an update follows, we look right after it, at the weights that the update changes.
"""

import math
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from tsprune.errors import UserError, unknown
from tsprune.pruners.allocation import erdos_renyi
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.method import Method
from tsprune.pruners.selection import Scope
from tsprune.typed import AboveZero

Decision = Literal["shrink", "expand", "stable"]
Variant = Literal["paper", "code"]

_CODE = {"min_sparsity": 0.2, "regrown": "keep", "counted": "all", "until": 0.7}


class PALS(Method):
    """Fields beyond :class:`Method`'s are named as in the paper: ``gamma`` the pace, ``lam`` the loss's freedom."""

    name: ClassVar[str] = "pals"
    grows_by_gradient: ClassVar[bool] = True
    until: AboveZero = 1.0
    gamma: Annotated[float, Field(gt=1)] = 1.1
    lam: Annotated[float, Field(ge=1)] = 1.1
    max_sparsity: AboveZero = 0.9
    """No shrinking from here on."""
    min_sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Below it the model shrinks whatever the loss says; 0: never."""
    expands: bool = True
    """False: never expand (an ablation)."""
    counted: Literal["prunable", "all"] = "prunable"
    """What sparsity is a share of; ``all`` counts biases and norms as removed."""
    scope: Scope = "layer"
    """``layer``: every tensor exchanges its own share; ``global``: one ranking decides where weights go and come."""
    density: AboveZero = 1.0
    """Density at the start; below 1 by a random mask after Erdős and Rényi."""

    @classmethod
    def variant(cls, name: Variant, **switches) -> "PALS":
        """The method as in the ``paper``, or as in its ``code``; single fields may be set on top."""
        if name not in get_args(Variant):
            raise UserError(unknown("variant", name, get_args(Variant)))
        return cls.parse((_CODE if name == "code" else {}) | switches, where=f"PALS as in the {name}")

    def start(self, sparsity: Sparsity) -> None:
        if self.density < 1:
            sparsity.start_with(erdos_renyi(sparsity.shapes, self.density))

    def update(self, sparsity: Sparsity) -> str:
        now, loss = sparsity.sparsity(self.counted), sparsity.loss()
        best_loss = sparsity.memory.setdefault("best_loss", math.inf)
        best_sparsity = sparsity.memory.setdefault("best_sparsity", 1 - self.density)
        decision = self.decide(loss, now, best_loss, best_sparsity)
        sparsity.log[-1] |= {"loss": loss, "best_loss": best_loss, "best_sparsity": best_sparsity, "counted": now}
        if loss < best_loss:
            sparsity.memory |= {"best_loss": loss, "best_sparsity": now}
        remove, grow = zip(*(self.counts(decision, kept, sparsity.zeta) for kept in sparsity.kept), strict=True)
        if self.scope == "layer":
            sparsity.exchange(list(remove), list(grow), "gradient")
        else:
            sparsity.exchange_anywhere(sum(remove), sum(grow))
        return decision

    def decide(self, loss: float, now: float, best_loss: float, best_sparsity: float) -> Decision:
        """Shrink, expand or stay (arXiv 2305.18382, algorithm 1); ``best_*`` are those of earlier updates."""
        if now < self.min_sparsity:
            return "shrink"
        fine = loss <= self.lam * best_loss
        if fine and now < self.max_sparsity:
            return "shrink"
        if not fine and now > best_sparsity and self.expands:
            return "expand"
        return "stable"

    def counts(self, decision: Decision, kept: int, zeta: float) -> tuple[int, int]:
        """Weights of a tensor to remove and to let come: the share zeta is exchanged, times gamma on one side."""
        if decision == "shrink":
            remove = min(math.ceil(self.gamma * zeta * kept), kept - 1)
            return remove, int(remove / self.gamma)
        remove = min(math.ceil(zeta * kept), kept - 1)
        return remove, int(remove * self.gamma) if decision == "expand" else remove
