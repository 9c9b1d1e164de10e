"""What every study's parameters hold: data, models, recipe, seeds, and where results are kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field, field_validator, model_validator

from tsprune.data import CATALOG, Table, load_table
from tsprune.errors import UserError, unknown
from tsprune.models import create_model, list_models
from tsprune.places import resolve
from tsprune.steps.data import DataSpec
from tsprune.training import TrainConfig
from tsprune.typed import Config

Positive = Annotated[int, Field(ge=1)]

Share = Annotated[float, Field(gt=0, le=1)]

Part = Annotated[float, Field(gt=0, lt=1)]
"""A share that is less than the whole, as every density below dense is."""

SOME = Field(min_length=1)

_LITERALS = (bool, int, float, str, list, dict, tuple, type(None))

# Names that IPython itself puts into a notebook's namespace and that hold plain values.
_IPYTHON_NAMES = {"In", "Out"}


def is_path(dataset: str) -> bool:
    return "/" in dataset or ".csv" in dataset


def _known_dataset(name: str) -> str:
    """Data are loaded late: a name or a file that does not exist is an error now."""
    if name in CATALOG or Path(name).is_file() or (is_path(name) and resolve(name).is_file()):
        return name
    if is_path(name):
        raise ValueError("there is no such file")
    raise ValueError(unknown("dataset", name, CATALOG) + "; or give the path of a CSV file")


Dataset = Annotated[str, AfterValidator(_known_dataset)]
"""Name in the catalogue (``tsprune data list``), or the path of a CSV file with a date column."""


def _each_once(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError(f"a value stands twice in {values}")
    return values


ONCE = AfterValidator(_each_once)


class StudyConfig(Config):
    """What every study needs: data, models, recipe, seeds, and where results are kept."""

    dataset: Dataset
    raw: bool
    """True: leave known defects (Weather's -9999, ENTSO-E's outliers) as published."""
    missing: Literal["error", "interpolate"]
    """Missing values and times in a CSV file of one's own: refuse them, or fill them by stated rules."""
    freq: Literal["h", "t", "s", "d", "b", "w", "m", "a"]
    """Calendar features: ``h`` hour to day of year (the papers' choice for every dataset), ``t`` the minute too."""
    seq_len: Positive
    label_len: Annotated[int, Field(ge=0)]
    pred_lens: Annotated[list[Positive], SOME, ONCE]
    models: Annotated[list[str], SOME, ONCE]
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
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], SOME, ONCE]
    store: str
    """Folder of results, shared by all studies; a relative path counts from the project's root."""
    keep: Literal["all", "dense", "none"] = "all"
    """Models that stay in the store: all, those of dense trainings, or none (then only while a run needs them)."""
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
        return str(resolve(self.dataset)) if is_path(self.dataset) and not Path(self.dataset).exists() else self.dataset

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
