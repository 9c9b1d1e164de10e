"""Parameters of the studies: what a notebook's ``parameters`` cell and a profile's YAML file may say.

One field per parameter, flat, so that the three ways to run a study (``tsprune study``, papermill, JupyterLab) meet
the same names and the same checks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator

from tsprune.data import CATALOG, Table, load_table
from tsprune.errors import UserError, unknown
from tsprune.models import create_model, list_models
from tsprune.pruners.magnitude import Scope
from tsprune.study.places import resolve
from tsprune.study.sparse_step import Signal
from tsprune.study.steps import DataSpec
from tsprune.training import TrainConfig
from tsprune.typed import Config

Positive = Annotated[int, Field(ge=1)]
_LITERALS = (bool, int, float, str, list, dict, tuple, type(None))
# Names that IPython itself puts into a notebook's namespace and that hold plain values.
_IPYTHON_NAMES = {"In", "Out"}


def _is_path(dataset: str) -> bool:
    return "/" in dataset or ".csv" in dataset


class StudyConfig(Config):
    """What every study needs: data, models, recipe, seeds, and where results are kept."""

    dataset: str
    """Name in the catalogue (``tsprune data list``), or the path of a CSV file with a date column."""
    raw: bool
    """True: leave known defects (Weather's -9999, ENTSO-E's outliers) as published."""
    missing: Literal["error", "interpolate"]
    """Missing values and times in a CSV file of one's own: refuse them, or fill them by stated rules."""
    freq: Literal["h", "t", "s", "d", "b", "w", "m", "a"]
    """Calendar features: ``h`` hour to day of year (the papers' choice for every dataset), ``t`` the minute too."""
    seq_len: Positive
    label_len: Annotated[int, Field(ge=0)]
    pred_lens: Annotated[list[Positive], Field(min_length=1)]
    models: Annotated[list[str], Field(min_length=1)]
    d_model: Positive
    n_heads: Positive
    e_layers: Positive
    d_layers: Positive
    d_ff: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    factor: Positive
    moving_avg: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "type1", "cosine"]
    batch_size: Positive
    epochs: Positive
    patience: Positive
    precision: Literal["float32", "bfloat16"]
    device: Literal["auto", "cpu", "cuda"]
    protocol: Literal["full", "as_published"]
    eval_batch_size: Positive
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    store: str
    """Folder of results, shared by all studies; a relative path counts from the project's root."""
    jobs: Annotated[int, Field(ge=0)]
    """Steps to run side by side; 0: as many as there are cores."""

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Build the config from a notebook's globals, right after its ``parameters`` cell.

        Every field must be there, and every plain value that is there must be a field, so that a misspelt parameter
        injected by papermill is refused and not ignored.
        """
        given = {
            name: value
            for name, value in namespace.items()
            if not name.startswith("_") and name not in _IPYTHON_NAMES and isinstance(value, _LITERALS)
        }
        return cls.parse(given, where="parameters")

    @field_validator("models")
    @classmethod
    def _known_models(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in list_models(trainable=True):
                raise ValueError(unknown("model", name, list_models(trainable=True)))
        return names

    @field_validator("models", "seeds", "pred_lens")
    @classmethod
    def _no_doubles(cls, values: list) -> list:
        if len(set(values)) < len(values):
            raise ValueError(f"a value stands twice in {values}")
        return values

    @model_validator(mode="after")
    def _models_fit(self) -> Self:
        """Widths and heads that do not fit are an error now and not after the first hour."""
        for name in self.models:
            try:
                with torch.device("meta"):
                    for pred_len in self.pred_lens:
                        create_model(
                            name, **self.model_dump(include={"seq_len", "label_len"}), pred_len=pred_len, **self.hyper()
                        )
            except UserError as error:
                raise ValueError(f"{name}: {error}") from None
        return self

    def hyper(self) -> dict[str, Any]:
        """The part of a model's config that the study chooses; the rest follows from the data."""
        names = ["d_model", "n_heads", "e_layers", "d_layers", "d_ff", "dropout", "factor", "moving_avg"]
        return {name: getattr(self, name) for name in names}

    def recipe(self) -> TrainConfig:
        names = TrainConfig.model_fields.keys() & type(self).model_fields.keys()
        return TrainConfig(**{name: getattr(self, name) for name in names})

    def load_data(self) -> Table:
        """The dataset; the built-in synthetic one when it cannot be had (``stands_in_for`` then says so)."""
        return load_table(self._source(), raw=self.raw, missing=self.missing, fallback_to_synthetic=True)

    def _source(self) -> str:
        """The dataset's name, or the path of a CSV file: from the working directory, else from the project's root."""
        return (
            str(resolve(self.dataset)) if _is_path(self.dataset) and not Path(self.dataset).exists() else self.dataset
        )

    def data_spec(self, table: Table, pred_len: int) -> DataSpec:
        synthetic = table.stands_in_for is not None
        return DataSpec(
            name="synthetic" if synthetic else self._source(),
            label=table.name,
            fingerprint=table.fingerprint,
            columns=len(table.columns),
            seq_len=self.seq_len,
            label_len=self.label_len,
            pred_len=pred_len,
            freq=self.freq,
            raw=self.raw and not synthetic,
            missing=self.missing,
        )


class PruningSweep(StudyConfig):
    """Notebook 01: one-shot unstructured magnitude pruning without retraining."""

    densities: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    """Share of prunable weights kept; 1.0 is dense and is always included."""
    scopes: Annotated[list[Scope], Field(min_length=1)]
    """``layer``: every tensor keeps the same share; ``global``: one ranking over all of them."""
    structured_densities: list[Annotated[float, Field(gt=0, lt=1)]]
    """Share of all parameters left by structured pruning; empty: none."""
    depgraph_paper: bool
    """True: beside each structured density, the paper's protocol asked for the same."""
    two_of_four: bool
    """True: 2:4 masks as well."""
    latency_repeats: Annotated[int, Field(ge=0)]
    """Timed forecasts per variant and batch size, first seed; 0: latency is not measured."""
    why_datasets: list[str]
    """Other datasets on which it is asked why a prune fails, as names or paths; the study's own is always included."""
    why_densities: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    """Share kept of a group of weights that is pruned alone."""
    why_windows: Positive
    """Test windows, evenly spaced, on which groups are pruned alone; all of them where there are not so many."""

    @field_validator("densities", "scopes", "structured_densities", "why_datasets", "why_densities")
    @classmethod
    def _each_once(cls, values: list) -> list:
        return cls._no_doubles(values)

    @field_validator("why_datasets")
    @classmethod
    def _known_datasets(cls, names: list[str]) -> list[str]:
        """They are loaded last: a name that does not exist is an error now."""
        for name in names:
            if name not in CATALOG and not (_is_path(name) and (Path(name).exists() or resolve(name).exists())):
                raise ValueError(unknown("dataset", name, CATALOG) + ", or the path of a CSV file")
        return names


class FineTuning(StudyConfig):
    """Notebook 02: what does training on after pruning bring back, and at what cost?"""

    densities: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    """Share of prunable weights kept; the dense controls are always included."""
    scope: Scope
    fine_tune_epochs: Positive
    """Epochs after pruning, the same for every arm; none is stopped early."""
    fine_tune_learning_rate: Annotated[float, Field(gt=0)]
    stages: Annotated[int, Field(ge=2)]
    """Prunings of the iterative arm; they share the epochs evenly."""
    compared_densities: list[float]
    """Those of ``densities`` at which the iterative and the rewound arm run as well."""
    structured_densities: list[Annotated[float, Field(gt=0, lt=1)]]
    """Share of all parameters left by structured pruning, trained on as well; empty: none."""
    two_of_four: bool
    """True: 2:4 masks, trained on as well."""

    @field_validator("densities", "compared_densities", "structured_densities")
    @classmethod
    def _each_once(cls, values: list) -> list:
        return cls._no_doubles(values)

    @model_validator(mode="after")
    def _compared_are_among_the_densities(self) -> Self:
        for density in self.compared_densities:
            if density not in self.densities:
                raise ValueError(f"compared_densities: {density} is not one of densities = {self.densities}")
        return self

    @model_validator(mode="after")
    def _stages_share_the_epochs(self) -> Self:
        if self.fine_tune_epochs % self.stages:
            raise ValueError(
                f"fine_tune_epochs = {self.fine_tune_epochs} cannot be shared evenly by stages = {self.stages}"
            )
        return self


class Sizes(StudyConfig):
    """What notebooks 03 and 04 share: dense models of several widths, the widest one pruned, shares of the data."""

    widths: Annotated[list[Positive], Field(min_length=1)]
    """d_model of the smaller dense models; d_ff shrinks in proportion. ``d_model`` itself is the widest and is always
    included."""
    fine_tune_epochs: Positive
    """Epochs after pruning."""
    fine_tune_learning_rate: Annotated[float, Field(gt=0)]
    fractions: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    """Shares of the training windows, the most recent ones; 1.0 is always included."""

    @field_validator("widths", "fractions")
    @classmethod
    def _each_size_once(cls, values: list) -> list:
        return cls._no_doubles(values)

    @field_validator("models")
    @classmethod
    def _can_be_narrowed(cls, names: list[str]) -> list[str]:
        for name in names:
            with torch.device("meta"):
                axes = create_model(name).axes()
            if all(axis.fixed is not None for axis in axes):
                raise ValueError(f"nothing in {name} can be narrowed, so there is no other size to prune it to")
        return names

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        for width in self.widths:
            if width >= self.d_model:
                raise ValueError(f"widths: {width} is not below d_model = {self.d_model}, the model that is pruned")
            if width % self.n_heads:
                raise ValueError(f"widths: {width} is not a multiple of n_heads = {self.n_heads}")
        return self

    def sized(self, width: int, e_layers: int | None = None) -> dict[str, Any]:
        """:meth:`hyper` at another width (d_ff in proportion) and depth."""
        layers = {} if e_layers is None else {"e_layers": e_layers}
        return self.hyper() | {"d_model": width, "d_ff": max(1, round(self.d_ff * width / self.d_model))} | layers


class RightSizing(Sizes):
    """Notebook 03: prune a large model, fine-tune it, or train a small one?"""

    depths: Annotated[list[Positive], Field(min_length=1)]
    """e_layers of the dense models; ``e_layers``, the depth of the model that is pruned, is one of them."""
    map_densities: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    """Shares of its parameters to which every width is pruned in the map of data, width and density; dense is always
    included."""

    @field_validator("depths", "map_densities")
    @classmethod
    def _each_depth_once(cls, values: list) -> list:
        return cls._no_doubles(values)

    @field_validator("depths")
    @classmethod
    def _pruned_depth_is_there(cls, depths: list[int], info: ValidationInfo) -> list[int]:
        pruned = info.data.get("e_layers")
        if pruned is not None and pruned not in depths:
            raise ValueError(f"e_layers = {pruned}, the depth of the model that is pruned, must be among them")
        return depths


class EntsoeScale(Sizes):
    """Notebook 04: does more data need a bigger model, and does pruning change the answer?"""

    densities: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    """Share of the widest model kept: of all parameters when narrowed, of the prunable weights under masks."""

    @field_validator("densities")
    @classmethod
    def _each_density_once(cls, values: list) -> list:
        return cls._no_doubles(values)

    @field_validator("seq_len")
    @classmethod
    def _holds_a_season(cls, seq_len: int) -> int:
        """The seasonal naive forecast, which all are measured against, can be made."""
        create_model("SeasonalNaive", seq_len=seq_len, label_len=0)
        return seq_len


class SparseTraining(StudyConfig):
    """Notebook 05: PALS, its rivals, and what its decisions really do."""

    gamma: Annotated[float, Field(gt=1)]
    """PALS: pace of shrinking and expanding."""
    lam: Annotated[float, Field(ge=1)]
    """PALS: how far the loss may lie above the best one, as a factor."""
    every: Positive
    """Optimiser steps between two updates of the masks."""
    signal: Signal
    """What PALS looks at."""
    rivals: list[Literal["static", "one_shot", "gmp", "granet", "set", "rigl"]]
    densities: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    """Densities of the rivals, over prunable weights."""
    ablation_models: list[str]
    """Models of the ablations, of the sensitivity to gamma, lambda and the interval, and of the signals' agreement."""
    gammas: list[Annotated[float, Field(gt=1)]]
    lams: list[Annotated[float, Field(ge=1)]]
    intervals: list[Positive]
    """Other values of ``every``."""

    @field_validator("rivals", "densities", "ablation_models", "gammas", "lams", "intervals")
    @classmethod
    def _each_rival_once(cls, values: list) -> list:
        return cls._no_doubles(values)

    @model_validator(mode="after")
    def _ablation_models_are_trained(self) -> Self:
        for name in self.ablation_models:
            if name not in self.models:
                raise ValueError("ablation_models: " + unknown("model", name, self.models))
        return self

    def grid(self) -> list[tuple[float, float]]:
        """Pairs of gamma and lambda other than the default one."""
        return [(g, lam) for g in self.gammas for lam in self.lams if (g, lam) != (self.gamma, self.lam)]


STUDIES: dict[str, type[StudyConfig]] = {
    "01_pruning_sweep": PruningSweep,
    "02_fine_tuning": FineTuning,
    "03_right_sizing": RightSizing,
    "04_entsoe_scale": EntsoeScale,
    "05_pals": SparseTraining,
}
"""The config of each notebook, by the notebook's name."""
