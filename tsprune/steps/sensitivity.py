"""A step that finds where a pruned model loses its accuracy: groups pruned alone, weights that were free, norms."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from tsprune import measure
from tsprune.engine.step import Outcome
from tsprune.engine.store import Store
from tsprune.pruners import magnitude_masks, magnitude_scores, prunable_weights, pruned, select
from tsprune.pruners.masks import Masks
from tsprune.pruners.selection import Scope
from tsprune.steps.calibration import evenly_spaced
from tsprune.steps.data import LIVE_WINDOWS, first_windows
from tsprune.steps.on_trained import OnTrained, pruning_columns
from tsprune.steps.prune import EXACT
from tsprune.training import evaluate

NEAR_ZERO = 0.01
"""A weight is near zero below this share of the root mean square of all prunable weights of its model: a normal
distribution of one width puts 0.8 % of its values there, so a larger share is a part of the model that stayed small.
The model's scale and not the tensor's, or the Fourier weights of FEDformer, small as a whole, would never count."""

FEW_GROUPS = 3
"""A model with at most so many groups is looked at tensor by tensor."""


class SensitivityStep(OnTrained):
    """Each group of weights pruned alone, and the masks over the whole model that ``scopes`` and ``joint`` ask for,
    each tested on the same test windows as the dense model. Nothing is retrained.

    ``detail`` has, as records: ``groups`` (what each holds), ``curves`` (a group pruned alone, by density), ``cells``
    (the whole model pruned), ``cell_groups`` (what that leaves of each group). Norms are Frobenius norms, of what was
    removed over all of it; ``mse_relative`` is to the dense model on the same windows, None where it is not finite.
    """

    kind: ClassVar[str] = "sensitivity"
    alone_at: tuple[float, ...]
    """Densities at which each group is pruned alone, every tensor of it cut alike."""
    scopes: tuple[Scope, ...]
    joint: tuple[float, ...]
    """Densities at which the whole model is pruned."""
    windows: Annotated[int, Field(ge=1)]
    """Test windows, evenly spaced; all of them where there are not so many."""

    def what(self) -> dict:
        return {
            "score": "magnitude",
            "counts": EXACT,
            "alone_at": list(self.alone_at),
            "scopes": list(self.scopes),
            "joint": list(self.joint),
            "windows": self.windows,
            "near_zero": NEAR_ZERO,
        }

    def words(self) -> str:
        return "sensitivity of its groups"

    def columns(self) -> dict:
        return pruning_columns("sensitivity", "unstructured", None, None)

    def run(self, store: Store) -> Outcome:
        """Always status ok: numbers only; what came out infinite is None."""
        train = self.trained.train.model_copy(update={"protocol": "full"})
        splits = self.trained.data.splits(train.device)
        windows = splits.test.subset(evenly_spaced(len(splits.test), self.windows))
        model = self.trained.load(store)
        few = first_windows(splits.train, LIVE_WINDOWS)
        parts = Parts.of(model, measure.live_parameters(model, few, draws=2).masks)
        dense = evaluate(model, windows, train).mse

        def relative(masks: Masks) -> float | None:
            with pruned(model, masks):
                mse = evaluate(model, windows, train).mse
            return mse / dense if math.isfinite(mse) else None

        scores, curves, cells, cell_groups = magnitude_scores(model), [], [], []
        for group, names in parts.groups.items():
            for density in self.alone_at:
                masks = select({name: scores[name] for name in names}, density, "layer")
                asked = {"group": group, "density_asked": density}
                curves.append(asked | parts.kept(masks, names) | {"mse_relative": relative(masks)})
        for scope in self.scopes:
            for density in self.joint:
                masks, asked = magnitude_masks(model, density, scope), {"scope": scope, "density_asked": density}
                every = parts.kept(masks, list(parts.weights)) | parts.removed(masks)
                cells.append(asked | every | {"mse_relative": relative(masks)})
                cell_groups += [asked | {"group": g} | parts.kept(masks, n) for g, n in parts.groups.items()]
        groups = parts.records()
        return Outcome(
            result={
                "windows_test": len(windows),
                "mse_dense": dense,
                "mse_relative_without_free": relative(parts.without_free()),
                **{name: sum(group[name] for group in groups) for name in ("weights", "dead", "near_zero")},
            },
            detail={"groups": groups, "curves": curves, "cells": cells, "cell_groups": cell_groups},
            cost={},
        )


@dataclass(frozen=True)
class Parts:
    """The prunable weights of a model, by name and by group, and which of them are free: dead or near zero."""

    weights: Mapping[str, Tensor]
    groups: Mapping[str, list[str]]
    dead: Mapping[str, Tensor]
    near_zero: Mapping[str, Tensor]
    """Live, but below :data:`NEAR_ZERO`."""

    @classmethod
    def of(cls, model: nn.Module, live: Mapping[str, Tensor]) -> "Parts":
        weights = {name: w.detach() for name, w in prunable_weights(model).items()}
        count = sum(w.numel() for w in weights.values())
        smallest = NEAR_ZERO * math.sqrt(sum(_squares(w) for w in weights.values()) / count)
        dead = {name: ~live[name].to(w.device) for name, w in weights.items()}
        near_zero = {name: (w.abs() < smallest) & ~dead[name] for name, w in weights.items()}
        return cls(weights, parameter_groups(model), dead, near_zero)

    def records(self) -> list[dict]:
        """Per group its weights, the dead and the near-zero ones among them."""
        return [
            {
                "group": group,
                "weights": sum(self.weights[name].numel() for name in names),
                "dead": sum(int(self.dead[name].sum()) for name in names),
                "near_zero": sum(int(self.near_zero[name].sum()) for name in names),
            }
            for group, names in self.groups.items()
        ]

    def kept(self, masks: Masks, names: list[str]) -> dict:
        """Share of the weights kept, and norm of the removed over that of all, within the tensors ``names``."""
        kept = sum(int(masks[name].sum()) for name in names)
        removed = sum(_squares(self.weights[name][~masks[name]]) for name in names)
        norm = sum(_squares(self.weights[name]) for name in names)
        return {
            "density": kept / sum(self.weights[name].numel() for name in names),
            "norm_removed": math.sqrt(removed / norm) if norm else 0.0,
        }

    def removed(self, masks: Masks) -> dict:
        """How many weights are removed, how many of them were dead, and how many near zero."""
        return {
            "removed": sum(int((~mask).sum()) for mask in masks.values()),
            "removed_dead": sum(int((~mask & self.dead[name]).sum()) for name, mask in masks.items()),
            "removed_near_zero": sum(int((~mask & self.near_zero[name]).sum()) for name, mask in masks.items()),
        }

    def without_free(self) -> Masks:
        return {name: ~(self.dead[name] | self.near_zero[name]) for name in self.weights}


def parameter_groups(model: nn.Module) -> dict[str, list[str]]:
    """Names of the prunable weights by group, in the model's order.

    A group is a part of a numbered block (``encoder.layers.0.attention``), or else a part of the model itself
    (``enc_embedding``). A number counts only where a block stands and not a single layer, as in a ``Sequential`` of
    layers. A model of at most :data:`FEW_GROUPS` groups is taken tensor by tensor (``seasonal.weight``).
    """
    modules = dict(model.named_modules())
    groups: dict[str, list[str]] = {}
    for name in prunable_weights(model):
        parts = name.split(".")
        above = (modules.get(".".join(parts[: i + 1])) for i in range(len(parts)))
        blocks = [i for i, module in enumerate(above) if parts[i].isdigit() and module and any(module.children())]
        groups.setdefault(".".join(parts[: blocks[0] + 2 if blocks else 1]), []).append(name)
    if len(groups) <= FEW_GROUPS:
        return {name: [name] for names in groups.values() for name in names}
    return groups


def _squares(values: Tensor) -> float:
    return float(values.double().square().sum())
