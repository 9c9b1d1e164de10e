"""The prune-and-grow engine: which connections exist while a model is trained, which go, which come.

The parts are orthogonal. Removal is by magnitude; growth by the gradient of the last batch or at random; scope is a
ranking within each layer or over all of them; the schedule is a method's (:mod:`tsprune.pruners.baselines`,
:mod:`tsprune.pruners.pals`). Weights are those of :func:`prunable_weights`: biases and norms stay dense.

How many weights of each tensor are kept is known as a Python number at every time, because every removal and growth
takes an exact number: nothing is read back from the device to count.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.erdos_renyi import erdos_renyi
from tsprune.pruners.masks import Masks, prunable_weights, zero_outside
from tsprune.pruners.ranking import largest, largest_anywhere
from tsprune.pruners.schedules import half_cosine
from tsprune.pruners.selection import Scope
from tsprune.typed import Config

Growth = Literal["gradient", "random"]
Share = Annotated[float, Field(gt=0, le=1)]

_MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer")
_LOSS_MEMORY = 0.98  # of the exponential average of training losses, per step


class Method(Config):
    """Base of all methods: when masks are updated, and how much is exchanged then."""

    name: ClassVar[str]
    updates: ClassVar[bool] = True
    """Whether the method does anything after the start."""
    asks_density: ClassVar[bool] = False
    """Whether the method is told the density that it comes to, as its field ``density``."""
    grows_by_gradient: ClassVar[bool] = False
    every: Annotated[int, Field(ge=1)] = 20
    """Optimiser steps between updates."""
    until: Share = 0.7
    """Share of the training after which the masks stay."""
    zeta: Share = 0.5
    """Share of a layer's weights exchanged at an update, at the start; it falls to ``zeta_end`` by a half cosine."""
    zeta_end: Annotated[float, Field(ge=0, le=1)] = 0.005
    regrown: Literal["keep", "zero"] = "zero"
    """Value of a weight that is removed and grown again in the same update; one removed earlier starts at zero."""
    reset_moments: bool = False
    """True: the optimiser's averages of grown weights start at zero."""

    def start(self, sparsity: "Sparsity") -> None:
        """Set the masks before the first step; none: dense."""

    def settled(self, sparsity: "Sparsity") -> bool:
        """Whether the model is as sparse as it is meant to be in the end."""
        return True

    @abstractmethod
    def update(self, sparsity: "Sparsity") -> str:
        """Change the masks, every ``every`` steps; return a word for what was done."""


class Sparsity:
    """Holds a model to the masks of ``method`` while it is trained, and updates them.

    ``steps``: optimiser steps of the whole training. ``signal`` gives the loss that a data-driven method looks at, when
    it looks; None: an exponential average of the training loss. One use: :meth:`attach`, then :meth:`after_step` after
    every optimiser step, while the gradients are still there. ``log`` has a record per update.
    """

    def __init__(self, method: Method, *, steps: int, seed: int = 0, signal: Callable[[], float] | None = None):
        if steps < 1:
            raise UserError(f"steps = {steps}: at least 1")
        self.last_update = int(method.until * steps + 1e-9) // method.every * method.every
        if method.updates and not self.last_update:
            raise UserError(
                f"{method.name}: no update falls within {method.until:g} of {steps} steps at every = {method.every}"
            )
        self.method, self.steps, self.seed, self.signal = method, steps, seed, signal
        self.step = 0
        self.log: list[dict] = []
        self.memory: dict[str, Any] = {}
        """What a method remembers between updates: numbers and words."""
        self._average: Tensor | None = None

    def attach(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take hold of ``model``; its weights outside the starting masks become zero."""
        self.model, self.optimizer = model, optimizer
        weights = prunable_weights(model)
        if not weights:
            raise UserError(f"{type(model).__name__} has no weight to prune")
        self.names, self.weights = list(weights), list(weights.values())
        self.sizes = [w.numel() for w in self.weights]
        self.others = sum(p.numel() for p in model.parameters()) - sum(self.sizes)
        device = self.weights[0].device
        self.generator = torch.Generator(device).manual_seed(self.seed)
        self.masks = [torch.ones_like(w, dtype=torch.bool) for w in self.weights]
        self.kept = list(self.sizes)
        self.method.start(self)
        self.started_with = list(self.kept)
        self.hold()

    def after_step(self, loss: Tensor) -> None:
        """Weights outside the masks become zero again; at every ``every``-th step up to ``until`` masks are updated.

        ``loss``: the training loss of this step, detached.
        """
        self.step += 1
        old = loss if self._average is None else self._average
        self._average = torch.lerp(old, loss, 1 - _LOSS_MEMORY)
        self.hold()
        if not self.method.updates or self.step % self.method.every or self.step > self.last_update:
            return
        record = {"step": self.step, "sparsity_before": self.sparsity(), "training_loss": float(self._average)}
        record |= {"removed": None, "grown": None}
        self.log.append(record)
        record["decision"] = self.method.update(self)
        record |= {"sparsity": self.sparsity(), "kept": list(self.kept)}
        self.hold()

    @torch.no_grad()
    def hold(self) -> None:
        """Set every weight outside the masks to zero."""
        for weight, mask, kept, size in zip(self.weights, self.masks, self.kept, self.sizes, strict=True):
            if kept < size:
                zero_outside(weight, mask)

    def sparsity(self, counted: Literal["prunable", "all"] = "prunable") -> float:
        """Share of weights removed; ``all``: biases and norms count as removed, as the code of PALS has it."""
        total = sum(self.sizes)
        return 1 - sum(self.kept) / (total + self.others if counted == "all" else total)

    @property
    def zeta(self) -> float:
        """Share exchanged now: a half cosine over the whole training (RigL, arXiv 1911.11134, section 3)."""
        return half_cosine(self.step / self.steps, self.method.zeta, self.method.zeta_end)

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the last update."""
        return self.step / self.last_update

    def loss(self) -> float:
        """The loss that a data-driven method looks at: the signal's, or the average of the training loss."""
        return float(self.signal()) if self.signal else float(self._average)

    def start_at(self, density: float) -> None:
        """A random mask of this density, spread over the layers after Erdős and Rényi."""
        self.kept = erdos_renyi([tuple(w.shape) for w in self.weights], density)
        self.masks = largest((self._random(w) for w in self.weights), self.kept)

    def keep_only(self, count: int, scope: Scope) -> None:
        """Remove weights of smallest magnitude until ``count`` are left: the same share of each layer, or by one
        ranking over all of them (each keeps at least one)."""
        if scope == "layer":
            share = count / sum(self.kept)
            self._keep([max(1, min(k, round(share * k))) for k in self.kept])
            return
        before = self.kept
        count = min(max(count, len(before)), sum(before))
        self.masks = largest_anywhere(self.weights, count, self.masks, one_each=True)
        self.kept = _counts(self.masks)
        self._note("removed", [b - a for b, a in zip(before, self.kept, strict=True)])

    def exchange(self, remove: list[int], grow: list[int], by: Growth) -> None:
        """In each layer remove the ``remove[i]`` weights of smallest magnitude, then let ``grow[i]`` come.

        What was just removed may come again. At least one weight of a layer stays, and no more come than are missing.
        A layer without a gradient has nothing to grow by: with ``by="gradient"`` it only loses the difference, and the
        record names it.
        """
        for i in self._without_gradient() if by == "gradient" else ():
            remove, grow = list(remove), list(grow)
            remove[i], grow[i] = max(0, remove[i] - grow[i]), 0
        self._keep([max(1, kept - n) for kept, n in zip(self.kept, remove, strict=True)])
        counts = [min(n, s - k) for n, s, k in zip(grow, self.sizes, self.kept, strict=True)]
        grown = largest((self._growth(w, by) for w in self.weights), counts, (~mask for mask in self.masks))
        self._add(grown, counts)

    def exchange_anywhere(self, remove: int, grow: int) -> None:
        """As :meth:`exchange` by gradient; one ranking over all layers says where weights go and where they come."""
        self.keep_only(sum(self.kept) - remove, "global")
        dead = set(self._without_gradient())
        missing = (torch.zeros_like(m) if i in dead else ~m for i, m in enumerate(self.masks))
        room = sum(s - k for i, (s, k) in enumerate(zip(self.sizes, self.kept, strict=True)) if i not in dead)
        grown = largest_anywhere([self._growth(w, "gradient") for w in self.weights], min(grow, room), missing)
        self._add(grown, _counts(grown))

    def _without_gradient(self) -> list[int]:
        """Layers that nothing can be grown in by gradient; the record of this update names them."""
        dead = [i for i, w in enumerate(self.weights) if w.grad is None]
        if dead:
            self.log[-1]["no_gradient"] = [self.names[i] for i in dead]
        return dead

    @torch.no_grad()
    def _add(self, grown: list[Tensor], counts: list[int]) -> None:
        """Let ``grown`` come, with the value or the zero that the method wants."""
        if self.method.regrown == "zero":
            self.hold()  # what was removed in this update loses its value before it can come again
        if self.method.reset_moments:
            for weight, new in zip(self.weights, grown, strict=True):
                for name in _MOMENTS:
                    if (moment := self.optimizer.state[weight].get(name)) is not None:
                        moment.mul_(~new)
        self.masks = [mask | new for mask, new in zip(self.masks, grown, strict=True)]
        self.kept = [kept + n for kept, n in zip(self.kept, counts, strict=True)]
        self._note("grown", counts)

    def _keep(self, counts: list[int]) -> None:
        self.masks = largest(self.weights, counts, self.masks)
        self._note("removed", [before - after for before, after in zip(self.kept, counts, strict=True)])
        self.kept = list(counts)

    def _note(self, what: str, counts: list[int]) -> None:
        """Add to the record of this update, by layer."""
        if self.log:
            sofar = self.log[-1][what] or [0] * len(counts)
            self.log[-1][what] = [a + b for a, b in zip(sofar, counts, strict=True)]

    def _growth(self, weight: Tensor, by: Growth) -> Tensor:
        if by == "random":
            return self._random(weight)
        return torch.zeros_like(weight) if weight.grad is None else weight.grad

    def _random(self, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=self.generator, device=like.device)

    @property
    def settled(self) -> bool:
        """Whether an epoch that ends now may count as the best one."""
        return self.method.settled(self)

    def masks_now(self) -> Masks:
        """The masks by parameter name."""
        return dict(zip(self.names, self.masks, strict=True))

    def set_masks(self, masks: Masks) -> None:
        """Go back to these masks, as :meth:`masks_now` gave them."""
        self.masks = [masks[name].to(w.device) for name, w in zip(self.names, self.weights, strict=True)]
        self.kept = _counts(self.masks)
        self.hold()

    def state_dict(self) -> dict:
        """All that an interrupted training needs to go on bit for bit, beside the model and the optimiser."""
        return {
            "masks": self.masks_now(),
            "step": self.step,
            "memory": dict(self.memory),
            "average": self._average,
            "generator": self.generator.get_state(),
            "log": [dict(record) for record in self.log],
        }

    def load_state_dict(self, state: dict) -> None:
        """Go back to :meth:`state_dict`; call it after :meth:`attach`."""
        self.set_masks(state["masks"])
        self.step, self.memory = state["step"], dict(state["memory"])
        self._average = None if state["average"] is None else state["average"].to(self.weights[0].device)
        self.generator.set_state(state["generator"])
        self.log = [dict(record) for record in state["log"]]


def _counts(masks: list[Tensor]) -> list[int]:
    """How many are True in each; one copy to Python for all."""
    return torch.stack([mask.sum(dtype=torch.int32) for mask in masks]).tolist()
