"""What every study's parameters hold: data, models, recipe, seeds, and where results are kept."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from tsprune.data import CATALOG, Table, is_path, load_table
from tsprune.data.catalog import no_entry
from tsprune.errors import UserError, unknown
from tsprune.models import list_models, outline
from tsprune.places import locate, near_file
from tsprune.steps.data import READING, DataSpec
from tsprune.study.base.namespace import given_parameters
from tsprune.training import TrainConfig
from tsprune.typed import Config, Folder, composed

MOST = 2**31 - 1
"""Of anything that is counted: no sum or product of two such numbers leaves a 64-bit integer."""

Positive = Annotated[int, Field(ge=1, le=MOST)]


SOME = Field(min_length=1)

_OF_ANY = {"raw", "missing", "columns"}
"""Options of reading that are not only for a file of one's own."""

MOST_JOBS = 10_000
"""More processes than any one machine runs side by side."""

LARGEST_SEED = 2**63 - 1
"""Tables hold seeds as 64-bit integers."""


def _known_dataset(name: str) -> str:
    """Data are loaded late and elsewhere: a name or a file that does not exist is an error now, and a path is absolute
    from here on, the same from whichever folder it was typed."""
    if name in CATALOG:
        return name
    if os.path.isfile(path := locate(name)):  # Path itself raises for a name that is too long for a file
        straight = os.path.normpath(path)  # where a link comes before '..', that is another place
        return straight if os.path.exists(straight) and os.path.samefile(straight, path) else str(path)
    if is_path(name):
        there = os.path.isdir(path)
        raise ValueError("that is a folder; name a file in it" if there else f"there is no such file{near_file(name)}")
    raise ValueError(no_entry(name))


Dataset = Annotated[str, AfterValidator(_known_dataset)]
"""Name in the catalogue (``tsprune data list``), or the path of a CSV file with a date column; a relative one counts
from the working directory and, where there is no such file, from the project's root."""


def _each_once(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError(f"a value appears twice in {values}")
    return values


ONCE = AfterValidator(_each_once)


def among(kind: str, allowed: Callable[[], Collection[str]]) -> AfterValidator:
    """A check that a name, or each name of a list, is one of ``allowed()``: what is registered by then."""

    def check(given: str | list[str]) -> str | list[str]:
        for name in [given] if isinstance(given, str) else given:
            if name not in allowed():
                raise ValueError(unknown(kind, name, allowed()))
        return given

    return AfterValidator(check)


def _names_or_all(given: Any) -> Any:
    """Names of columns; None where there are none."""
    for name in given if isinstance(given, list) else ():
        if not isinstance(name, str):
            raise ValueError("names must be texts: put those that look like a number, yes or no into quotes")
    return None if given == [] else given


def _composed_once(names: list[str] | None) -> list[str] | None:
    return None if names is None else _each_once(list(map(composed, names)))


@lru_cache(maxsize=1024)
def _misfit(model: str, hyper: tuple[tuple[str, Any], ...]) -> str | None:
    """Why there is no such model; None where there is. Kept, since the studies of a profile ask the same."""
    try:
        outline(model, **dict(hyper))
    except UserError as error:
        return str(error)
    return None


def _of_workers(given: Any) -> Any:
    """An address or a kind of cluster: of two types pydantic tells each what the other is, in words of its own."""
    named = isinstance(given, dict) and all(isinstance(options, dict) for options in given.values())
    if not (given is None or isinstance(given, str) or named):
        raise ValueError(
            "expected an address, such as tcp://10.0.0.1:8786, or a kind of cluster with its options, such as "
            "{SLURMCluster: {cores: 8}}"
        )
    return given


class StudyConfig(Config):
    """What every study needs: data, models, recipe, seeds, and where results are kept.

    What a parameter means, and its unit, stands at its field: the first paragraph is the comment beside it in a
    notebook too (a test holds the two together).
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    dataset: Dataset
    """Name in the catalogue (tsprune data list), or path of a CSV file with a date column."""
    columns: Annotated[list[str] | None, AfterValidator(_composed_once), BeforeValidator(_names_or_all)] = None
    """Columns of the dataset to take, in this order, such as ["load", "temp"]; none named: all.

    Of the study's own dataset; others, as ``why_datasets``, are taken whole."""
    raw: bool = False
    """Leave known defects of a catalogue dataset (Weather's -9999, ENTSO-E's outliers) as published."""
    missing: Literal["error", "interpolate"] = "error"
    """Gaps in a CSV file of your own: "error" refuses them, "interpolate" fills them by stated rules."""
    date_column: str | None = None
    """Column of dates in a file of your own, where its name and content do not tell."""
    time_step: str | None = None
    """Time between two rows of a file of your own ("15min", "B", "MS"), where its dates do not tell."""
    date_order: Literal["ymd", "dmy", "mdy", "ym", "my", "excel"] | None = None
    """How to read the dates of a file of your own, where two readings fit: "dmy" has the day first, "mdy" the month."""
    encoding: str | None = None
    """Character encoding of a file of your own that is not UTF-8, as "latin-1"."""
    freq: Literal["h", "t", "s", "d", "b", "w", "m", "a"] = "h"
    """Calendar features: "h" hour, weekday, day, day of year (as in the papers); "t" adds the minute."""
    seq_len: Positive
    """Look-back window, time steps."""
    label_len: Annotated[int, Field(ge=0, le=MOST)]
    """Known steps given to the decoder, time steps."""
    pred_lens: Annotated[list[Positive], SOME, ONCE]
    """Forecast horizons, time steps."""
    models: Annotated[list[str], SOME, ONCE]
    """Forecasters; see tsprune.models.list_models()."""
    d_model: Positive
    """Width of the residual stream, channels (the papers: 512)."""
    n_heads: Positive
    """Attention heads (the papers: 8)."""
    e_layers: Positive
    """Encoder layers (the papers: 2)."""
    d_layers: Positive = 1
    """Decoder layers (the papers: 1)."""
    d_ff: Positive
    """Width of the feed-forward blocks, channels (the papers: 2048)."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Share of activations dropped in training (the papers: 0.05)."""
    factor: Positive = 3
    """Times ln(length): the queries that Informer keeps, and the delays of Autoformer; in Crossformer the routers."""
    moving_avg: Positive
    """Length of the trend's moving average, time steps."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate of Adam (the first paper: 5e-4, the paper of PALS: 1e-4)."""
    schedule: Literal["constant", "type1", "cosine"]
    """Learning rate over epochs: "constant", "type1" (halved after every epoch from the second on), "cosine"."""
    batch_size: Positive
    """Windows per training step."""
    epochs: Positive
    """Epochs of a training, at most (the papers: 10)."""
    patience: Positive = 3
    """Epochs without a better validation MSE before training stops."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the forward pass in training: "float32", or "bfloat16" (autocast)."""
    matmul: Literal["highest", "medium"] = "highest"
    """Products of float32 matrices in training: "highest" exact, "medium" rounded to bfloat16 where that is faster."""
    device: Literal["auto", "cpu", "cuda"]
    """Where models run: "cpu", "cuda", or "auto", which is cuda where there is one."""
    protocol: Literal["full", "as_published"] = "full"
    """Validation and test windows that count: "full" all, "as_published" without the last incomplete batch."""
    eval_batch_size: Positive
    """Windows per batch in validation and test; changes no score.

    Except under ``as_published``, where it says which batch is incomplete."""
    eval_stride: Positive = 1
    """Validation and test windows that count: every so many, 5 for every fifth; 1: all.

    Neighbours overlap in all time steps but one, so a fifth of them have nearly the same mean error. A number that
    shares no divisor with the season, as 5 with 24 hours, leaves out no time of day."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST_SEED)]], SOME, ONCE]
    """Random seeds; every model is trained once with each."""
    store: Folder = "outputs/store"
    """Folder of results, shared by all studies; a relative path starts at the working directory, else at the project.

    As a dataset's: at the project where nothing of that name is in the working directory."""
    jobs: Annotated[int, Field(ge=0, le=MOST_JOBS)] = 0
    """Steps side by side; 0: as many as cores.

    On a GPU 0 is one for each 8 GiB of its memory, on Dask workers elsewhere as many as there are."""
    executor: Literal["processes", "dask"] = "processes"
    """Where steps run: "processes" of this machine, or "dask" workers (docs/cluster.md)."""
    scheduler: Annotated[str | dict[str, dict[str, Any]] | None, BeforeValidator(_of_workers)] = None
    """Of Dask workers: its address, or a class of dask-jobqueue with its options; null: workers on this machine."""
    resources: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """What a step takes of what a Dask worker offers: {"GPU": 1}, or {"GPU": 0.5} for two steps on each."""
    budget_hours: Annotated[float, Field(ge=0)] | None = None
    """Hours after which no further step is begun; what is left over is told and can be run later (0: begin none)."""
    keep: Literal["all", "dense", "none"] = "all"
    """Models and masks that the store keeps: "all", "dense" (of dense trainings only), or "none" (results alone).

    What is not kept is there only as long as a step of the run needs it."""

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Build the config from a notebook's globals, right after its ``parameters`` cell.

        Every field without a default must be there, and every name that the cells of parameters assign must be a
        field, so that a misspelt parameter injected by papermill is refused and not ignored; other variables of a
        kernel are no parameters (:func:`given_parameters`).
        """
        return cls.parse(given_parameters(namespace, cls.model_fields), where="parameters")

    @model_validator(mode="after")
    def _workers_are_asked_for(self) -> Self:
        """An option of workers that are not asked for is no option that was meant."""
        if self.executor == "processes" and (given := [n for n in ("scheduler", "resources") if getattr(self, n)]):
            raise ValueError(f"{', '.join(given)}: only for executor = 'dask'")
        return self

    @model_validator(mode="after")
    def _published_windows_are_all(self) -> Self:
        if self.protocol == "as_published" and self.eval_stride > 1:
            raise ValueError(
                f"eval_stride = {self.eval_stride}: protocol = 'as_published' asks for every window, eval_stride = 1"
            )
        return self

    @field_validator("models")
    @classmethod
    def _known_models(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in list_models(trainable=True):
                raise ValueError(unknown("model", name, list_models(trainable=True)))
        return names

    @model_validator(mode="after")
    def _options_have_a_file(self) -> Self:
        """An option of reading that nothing is read by is no option that was meant."""
        given = [name for name in sorted(READING - _OF_ANY) if getattr(self, name) is not None]
        if given and all(name in CATALOG for name in self.every_dataset()):
            raise ValueError(
                f"{', '.join(given)}: only for a file of your own; the catalogue says how {self.dataset} is read"
            )
        return self

    @model_validator(mode="after")
    def _models_fit(self) -> Self:
        """Widths and heads that do not fit are an error now and not after the first hour."""
        for name in self.models:
            for pred_len in self.pred_lens:
                lengths = {"seq_len": self.seq_len, "label_len": self.label_len, "pred_len": pred_len}
                if problem := _misfit(name, tuple((lengths | self.hyper()).items())):
                    raise ValueError(f"{name}: " + problem.removeprefix(f"{name}: "))
        return self

    def hyper(self) -> dict[str, Any]:
        """The part of a model's config that the study chooses; the rest follows from the data."""
        names = ["d_model", "n_heads", "e_layers", "d_layers", "d_ff", "dropout", "factor", "moving_avg"]
        return {name: getattr(self, name) for name in names}

    def every_width(self) -> list[int]:
        """d_model of all models that are trained, channels."""
        return [self.d_model]

    def every_dataset(self) -> list[str]:
        """Of all datasets that models are trained on, the study's own first."""
        return [self.dataset]

    def does_not_suit(self, table: Table) -> Iterator[str]:
        """Why the question cannot be asked of the study's own data, a line per problem; no problem."""
        return iter(())

    def recipe(self) -> TrainConfig:
        names = TrainConfig.model_fields.keys() & type(self).model_fields.keys()
        return TrainConfig(**{name: getattr(self, name) for name in names})

    def reading(self) -> dict[str, Any]:
        """How the dataset is to be read."""
        return self.model_dump(include=_OF_ANY if self.dataset in CATALOG else READING)

    def on(self, dataset: str) -> Self:
        """The same study on one of its datasets; the columns named are the own one's."""
        other = {} if dataset == self.dataset else {"columns": None}
        return self.model_copy(update={"dataset": dataset} | other)

    def load_data(self) -> Table:
        """The dataset; the built-in synthetic one when it cannot be had (``stands_in_for`` then says so)."""
        return load_table(self.dataset, **self.reading(), fallback_to_synthetic=True)

    def data_spec(self, table: Table, pred_len: int) -> DataSpec:
        synthetic = table.stands_in_for is not None
        return DataSpec(
            name="synthetic" if synthetic else self.dataset,
            label=table.name,
            fingerprint=table.fingerprint,
            width=table.width,
            series=table.series,
            seq_len=self.seq_len,
            label_len=self.label_len,
            pred_len=pred_len,
            freq=self.freq,
            eval_stride=self.eval_stride,
            **({} if synthetic else self.reading()),
        )
