"""The part of study 01 with other scores than magnitude, and with the first paper's own protocol."""

from functools import cached_property
from typing import NamedTuple

import pandas as pd

from tsprune.engine.step import Step
from tsprune.layers.fourier import ComplexWeights
from tsprune.pruners import Selection
from tsprune.steps.by_score import half_pruned_by, own_scope, pruned_by
from tsprune.steps.prune import AuthorsStep, PruneStep
from tsprune.steps.train import TrainStep, train_step
from tsprune.study.base.cells import Cells, relative_to_dense
from tsprune.study.pruning_sweep.result import AUTHORS, AUTHORS_COLUMNS, GAINS, HALF, MAGNITUDE, OURS, SCORES

AUTHORS_HYPER = {"FEDformer": {"modes": 64, "moving_avg": 24}}
"""What the first paper's code trains that ours does not by default."""


class Way(NamedTuple):
    """A step, and how it chooses weights."""

    step: Step
    trained: TrainStep
    score: str
    structure: str
    scope: Selection
    density: float


class ByScore:
    """Every way to choose weights beside magnitude at the same scope, for every dense model of ``cells``: of single
    weights and, where the study has it, of 2:4."""

    def __init__(self, cells: Cells):
        self.cells, self.config = cells, cells.config

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        names = [name for name in self.config.scores if name != MAGNITUDE]
        if not (names and self.config.score_densities):
            return ()
        windows, found = self.config.calibration_windows, []
        for trained in self.cells.base.dense:
            for density in sorted(self.config.score_densities, reverse=True):
                for scope in dict.fromkeys(map(own_scope, names)):
                    step = PruneStep(trained=trained, scope=scope, density=density)
                    found.append(Way(step, trained, MAGNITUDE, "unstructured", scope, density))
                for name in names:
                    step = pruned_by(trained, name, density, windows)
                    found.append(Way(step, trained, name, "unstructured", own_scope(name), density))
            for name in (MAGNITUDE, *names) if self.config.two_of_four else ():
                found.append(Way(half_pruned_by(trained, name, windows), trained, name, HALF, "layer", 0.5))
        return tuple(found)

    def scores(self) -> pd.DataFrame:
        """``SweepResult.scores``."""
        dense = self.cells.frame(self.cells.base.dense)
        frame = self.cells.frame(way.step for way in self.ways)
        frame["score"] = [way.score for way in self.ways]
        frame["structure"] = [way.structure for way in self.ways]
        for name in ("calibration_seconds", "calibration_memory_mib"):
            frame[name] = [self.cells.rows[way.step.key]["cost"].get(name) for way in self.ways]
        table = pd.concat([dense.assign(score="dense"), frame], ignore_index=True) if self.ways else frame
        table["mse_relative"] = relative_to_dense(table, dense)
        return table.reindex(columns=["dataset", *SCORES])

    def gains(self) -> pd.DataFrame:
        """``SweepResult.gains``: over the seeds with a result on both sides."""
        groups: dict[tuple, list[Way]] = {}
        for way in self.ways:
            data = way.trained.data
            place = data.label, way.trained.model, data.pred_len, way.structure, way.scope, way.density
            groups.setdefault((*place, way.score), []).append(way)
        records = []
        for (*place, score), ours in groups.items():
            if score == MAGNITUDE:
                continue
            sides = ([way.step for way in side] for side in (ours, groups[*place, MAGNITUDE]))
            numbers = self.cells.difference(*sides)
            names = ("dataset", "model", "pred_len", "structure", "scope", "density_asked")
            records.append(dict(zip(names, place, strict=True)) | {"score": score} | numbers)
        return pd.DataFrame(records, columns=GAINS)


def as_authors_train(cells: Cells) -> tuple[TrainStep, ...]:
    """The dense models of ``cells`` with the widths that the first paper's code gives them."""
    return tuple(
        train_step(t.data, t.model, t.hyper | AUTHORS_HYPER.get(t.model, {}), t.train, t.seed) for t in cells.base.dense
    )


class ByAuthors:
    """The first paper's own protocol beside one ranking over all weights, on models as that paper trains them."""

    def __init__(self, cells: Cells):
        self.cells, self.config = cells, cells.config

    @cached_property
    def dense(self) -> tuple[TrainStep, ...]:
        """The dense models; none where the protocol is not asked for."""
        return as_authors_train(self.cells) if self.config.authors_paper else ()

    @cached_property
    def pruned(self) -> tuple[PruneStep | AuthorsStep, ...]:
        return tuple(
            step
            for trained in self.dense
            for density in sorted(self.config.score_densities, reverse=True)
            for step in (
                PruneStep(trained=trained, scope="global", density=density),
                AuthorsStep(trained=trained, density=density),
            )
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.dense, *self.pruned)

    def table(self) -> pd.DataFrame:
        """``SweepResult.authors``: dense stands under both protocols."""
        if not self.steps:
            return pd.DataFrame(columns=["dataset", *AUTHORS_COLUMNS])
        dense = self.cells.frame(self.dense)
        frame = self.cells.frame(self.pruned)
        frame["protocol"] = [AUTHORS if isinstance(step, AuthorsStep) else OURS for step in self.pruned]
        both = [dense.assign(protocol=protocol) for protocol in (OURS, AUTHORS)]
        table = pd.concat([*both, frame], ignore_index=True)
        table["mse_relative"] = relative_to_dense(table, dense)
        steps = (*self.dense, *self.dense, *self.pruned)
        shares = [self._shares(step) if isinstance(step, AuthorsStep) else (None, None) for step in steps]
        table[["untouched", "fourier"]] = pd.DataFrame(shares, index=table.index, dtype=float)
        return table.reindex(columns=["dataset", *AUTHORS_COLUMNS])

    def _shares(self, step: AuthorsStep) -> tuple[float | None, float | None]:
        """Of all parameters, the share in weights that the protocol leaves alone, and in Fourier weights of them."""
        row = self.cells.rows[step.key]
        if row["status"] != "ok":
            return None, None
        why, parameters = row["detail"]["left"], row["result"]["parameters"]
        left = {layer["layer"]: layer["weights"] for layer in row["detail"]["layers"] if layer["layer"] in why}
        fourier = sum(weights for name, weights in left.items() if why[name].endswith(ComplexWeights.__name__))
        return sum(left.values()) / parameters, fourier / parameters
