"""The prune-and-grow engine: which connections exist while a model is trained, which go, which come.

The parts are orthogonal. Removal is by magnitude; growth by the gradient of the last batch or at random; scope is a
ranking within each layer or over all of them; the schedule is a method's (:mod:`tsprune.pruners.baselines`,
:mod:`tsprune.pruners.pals`). Weights are those of :func:`prunable_weights` that are trained and that the method does
not exclude: biases and norms stay dense.

How many weights of each tensor are kept is known as a Python number at every time, because every removal and growth
takes an exact number: what is read back from the device to count is read at an update, once for all tensors.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.allocation import Allocation
from tsprune.pruners.masks import Masks, prunable_weights, without, zero_outside
from tsprune.pruners.method import Method
from tsprune.pruners.moments import reset_moments
from tsprune.pruners.ranking import largest, largest_anywhere
from tsprune.pruners.schedules import SCHEDULES
from tsprune.pruners.scores import Calibration
from tsprune.pruners.selection import best

Growth = Literal["gradient", "random"]

_LOSS_MEMORY = 0.98  # of the exponential average of training losses, per step


class Sparsity:
    """Holds a model to the masks of ``method`` while it is trained, and updates them.

    ``steps``: optimiser steps of the whole training. ``signal`` gives the loss that a data-driven method looks at, when
    it looks; None: an exponential average of the training loss. ``calibration``: batches for a method that starts by a
    score that looks at data. One use: :meth:`attach`, then :meth:`after_step` after every optimiser step, while the
    gradients are still there; where gradients are clipped, :meth:`mask_gradients` before that. ``log`` has a record per
    update.

    Raises :class:`UserError` where no update would fall within the training, or the method would come to nothing.
    """

    def __init__(
        self,
        method: Method,
        *,
        steps: int,
        seed: int = 0,
        signal: Callable[[], float] | None = None,
        calibration: Calibration | None = None,
    ):
        if steps < 1:
            raise UserError(f"steps = {steps}: expected at least 1")
        self.method, self.steps, self.seed, self.signal, self.calibration = method, steps, seed, signal, calibration
        self.begin, self.last_update = self.update_at(method.warm_up), self.update_at(method.until)
        if method.updates:
            if self.last_update <= self.begin:
                warm_up = f" after a warm-up of {method.warm_up:g}" if method.warm_up else ""
                raise UserError(
                    f"{method.name}: no update falls within the first {method.until:g} of {steps} steps{warm_up} at "
                    f"every = {method.every}"
                )
            if method.update_replaces_step and method.every == 1:
                raise UserError(
                    f"{method.name}: every = 1: an update takes the place of a step, so no step would train"
                )
            if problem := method.problem(self):
                raise UserError(f"{method.name}: {problem}")
        self.step = 0
        self.log: list[dict] = []
        self.memory: dict[str, Any] = {}
        """What a method remembers between updates: numbers and words."""
        self._average: Tensor | None = None
        self._dense: list[Tensor | None] | None = None  # gradients of all weights, where the optimiser sees others
        self._masked = False  # whether this step's gradients are those of existing weights only

    def update_at(self, share: float) -> int:
        """The last step, up to this share of the training, at which masks can be updated; 0: none."""
        return int(share * self.steps + 1e-9) // self.method.every * self.method.every

    def attach(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take hold of ``model``; its weights outside the starting masks become zero.

        Raises :class:`UserError` where no weight is left to prune, a pattern of ``exclude`` fits none, or ``optimizer``
        moves none of the weights.
        """
        self.model, self.optimizer = model, optimizer
        weights = without(prunable_weights(model), self.method.exclude)
        weights = {name: weight for name, weight in weights.items() if weight.requires_grad}
        if not weights:
            raise UserError(f"{type(model).__name__} has no weight to prune")
        moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not any(id(weight) in moved for weight in weights.values()):
            raise UserError(
                f"the optimizer holds none of the weights of this {type(model).__name__}: of another model?"
            )
        self.names, self.weights = list(weights), list(weights.values())
        self.sizes = [w.numel() for w in self.weights]
        self.others = sum(p.numel() for p in model.parameters()) - sum(self.sizes)
        device = self.weights[0].device
        self.generator = torch.Generator(device).manual_seed(self.seed)
        self.masks = [torch.ones_like(w, dtype=torch.bool) for w in self.weights]
        self.kept = list(self.sizes)
        draws = "random" in (self.method.new, self.method.regrown)
        self._spread = [w.detach().std(correction=0) for w in self.weights] if draws else []
        self.method.start(self)
        self.started_with = list(self.kept)
        self.hold()
        if self.method.mask_gradients or self.method.update_replaces_step:
            optimizer.register_step_pre_hook(self._before_step)

    def _before_step(self, *_) -> None:
        if self.method.mask_gradients:
            self.mask_gradients()
        else:
            self._skips_step()

    def mask_gradients(self) -> None:
        """Leave only the gradients of weights that exist, before they are clipped or the optimiser sees them; growth at
        an update still sees all of them."""
        if self._masked or self._skips_step():
            return
        self._masked = True
        for weight, mask, kept, size in zip(self.weights, self.masks, self.kept, self.sizes, strict=True):
            if weight.grad is None or kept == size:
                continue
            if self._dense is None:
                zero_outside(weight.grad, mask)
            else:
                weight.grad = weight.grad * mask

    def _skips_step(self) -> bool:
        """Whether an update takes the place of this step: then the optimiser is left no gradient."""
        if not self._due(self.step + 1):
            return False
        if self.method.grows_by_gradient and self._dense is None:
            self._dense = [w.grad for w in self.weights]
        if self.method.update_replaces_step:
            for parameter in (p for group in self.optimizer.param_groups for p in group["params"]):
                parameter.grad = None
        return self.method.update_replaces_step

    def _due(self, step: int) -> bool:
        return self.method.updates and not step % self.method.every and self.begin < step <= self.last_update

    def after_step(self, loss: Tensor) -> None:
        """Weights outside the masks become zero again; at every ``every``-th step up to ``until`` masks are updated.

        ``loss``: the training loss of this step, detached.
        """
        self.step += 1
        loss = torch.as_tensor(loss).detach()  # else the average would hold the graphs of all steps
        old = loss if self._average is None else self._average
        self._average = torch.lerp(old, loss, 1 - _LOSS_MEMORY)
        self.hold()
        if self._due(self.step):
            self._update()
        self._dense, self._masked = None, False

    def _update(self) -> None:
        self._before = self.masks
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
        """Share of weights removed; ``all``: biases and norms count as removed, as in the code of PALS."""
        total = sum(self.sizes)
        return 1 - sum(self.kept) / (total + self.others if counted == "all" else total)

    @property
    def zeta(self) -> float:
        """Share exchanged now."""
        progress = self.step / self.steps if self.method.zeta_over == "training" else self.progress
        return SCHEDULES[self.method.zeta_schedule](progress, self.method.zeta, self.method.zeta_end)

    @property
    def progress(self) -> float:
        """0 where the updates begin, 1 at the last one."""
        return (self.step - self.begin) / (self.last_update - self.begin)

    def loss(self) -> float:
        """The loss that a data-driven method looks at: the signal's, or the average of the training loss."""
        return float(self.signal()) if self.signal else float(self._average)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(w.shape) for w in self.weights]

    def start_with(self, counts: list[int]) -> None:
        """Start with a random mask that keeps these numbers of weights of each tensor."""
        self.kept = list(counts)
        self.masks = largest((self._random(w) for w in self.weights), self.kept)

    def start_from(self, masks: Masks) -> None:
        """These masks, one for each weight."""
        self.masks = [masks[name] for name in self.names]
        self.kept = _counts(self.masks)

    def keep_only(self, count: int, scope: Allocation) -> None:
        """Remove weights of smallest magnitude until ``count`` are left, as ``scope`` allots them to the layers; each
        keeps at least one."""
        before = self.kept
        self.masks = best(self.weights, count, scope, self.masks, before)
        self.kept = _counts(self.masks)
        self._note("removed", [b - a for b, a in zip(before, self.kept, strict=True)])

    def let_go(self) -> None:
        """Forget the weights removed so far in this update: if they come again in the same update, they are new."""
        self.hold()
        self._before = self.masks

    def remove_near_zero(self, share: float) -> list[int]:
        """In each layer this share of the positive weights goes, the smallest, and of the negative ones, the largest;
        the last one of a sign stays. Returns how many went."""
        above = [mask & (weight > 0) for mask, weight in zip(self.masks, self.weights, strict=True)]
        below = [_except(mask, more) for mask, more in zip(self.masks, above, strict=True)]
        masks = []
        for side in (above, below):
            left = [max(min(n, 1), n - math.floor(share * n + 1e-9)) for n in _counts(side)]
            masks.append(largest(self.weights, left, side))
        self.masks = [a | b for a, b in zip(*masks, strict=True)]
        before, self.kept = self.kept, _counts(self.masks)
        removed = [b - a for b, a in zip(before, self.kept, strict=True)]
        self._note("removed", removed)
        return removed

    def grow(self, counts: list[int], by: Growth) -> None:
        """In each layer ``counts[i]`` of the weights that are missing come."""
        scores = (self._random(w) for w in self.weights) if by == "random" else self._growth()
        self._add(largest(scores, counts, (~mask for mask in self.masks)), counts)

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
        self.grow(counts, by)

    def exchange_anywhere(self, remove: int, grow: int) -> None:
        """As :meth:`exchange` by gradient; one ranking over all layers says where weights go and where they come."""
        self.keep_only(sum(self.kept) - remove, "global")
        dead = set(self._without_gradient())
        missing = (torch.zeros_like(m) if i in dead else ~m for i, m in enumerate(self.masks))
        room = sum(s - k for i, (s, k) in enumerate(zip(self.sizes, self.kept, strict=True)) if i not in dead)
        grown = largest_anywhere(self._growth(), min(grow, room), missing)
        self._add(grown, _counts(grown))

    def _without_gradient(self) -> list[int]:
        """Layers that nothing can be grown in by gradient; the record of this update names them."""
        dead = [i for i, gradient in enumerate(self._gradients()) if gradient is None]
        if len(dead) == len(self.names):
            raise UserError(
                f"{self.method.name}: no weight has a gradient to grow by; call after_step before optimizer.zero_grad"
            )
        if dead:
            self.log[-1]["no_gradient"] = [self.names[i] for i in dead]
        return dead

    def _gradients(self) -> list[Tensor | None]:
        """Of the last batch, those of missing weights too."""
        return [w.grad for w in self.weights] if self._dense is None else self._dense

    @torch.no_grad()
    def _add(self, grown: list[Tensor], counts: list[int]) -> None:
        """Let ``grown`` come, with the values and the moments that the method wants."""
        method = self.method
        if method.regrown == "zero":
            self.hold()  # what was removed in this update loses its value before it can come again
        if method.reset_moments or self._spread:
            for i, (weight, come) in enumerate(zip(self.weights, grown, strict=True)):
                fresh = _except(come, self._before[i])  # did not exist before this update
                if method.reset_moments:
                    reset_moments(self.optimizer, weight, fresh if method.regrown == "keep" else come)
                if self._spread:
                    others = fresh if method.new == "random" else _except(come, fresh)
                    drawn = come if method.new == method.regrown else others
                    like = {"device": weight.device, "dtype": weight.dtype}
                    values = torch.randn(counts[i], generator=self.generator, **like)
                    weight.masked_scatter_(drawn, values.mul_(self._spread[i]))
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

    def _growth(self) -> list[Tensor]:
        """What growth by gradient ranks by; zeros where there is no gradient."""
        pairs = zip(self.weights, self._gradients(), strict=True)
        return [torch.zeros_like(weight) if gradient is None else gradient for weight, gradient in pairs]

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
        """All that an interrupted training needs to go on bit for bit, besides the model and the optimiser."""
        return {
            "masks": self.masks_now(),
            "step": self.step,
            "memory": dict(self.memory),
            "average": self._average,
            "generator": self.generator.get_state(),
            "spread": list(self._spread),
            "log": [dict(record) for record in self.log],
        }

    def load_state_dict(self, state: dict) -> None:
        """Go back to :meth:`state_dict`; call it after :meth:`attach`."""
        self.set_masks(state["masks"])
        self.step, self.memory = state["step"], dict(state["memory"])
        self._average = None if state["average"] is None else state["average"].to(self.weights[0].device)
        self.generator.set_state(state["generator"])
        self._spread = [spread.to(self.weights[0].device) for spread in state["spread"]]
        self.log = [dict(record) for record in state["log"]]


def _except(mask: Tensor, other: Tensor) -> Tensor:
    """True where ``mask`` is and ``other`` is not; as bytes several times as fast as by bools."""
    return (mask.view(torch.uint8) & (other.view(torch.uint8) ^ 1)).view(torch.bool)


def _counts(masks: list[Tensor]) -> list[int]:
    """How many are True in each; one copy to Python for all."""
    return torch.stack([torch.count_nonzero(mask) for mask in masks]).tolist()
