"""The question: data, forecaster, accepted loss, goal and time limit."""

import json
import re
import shlex
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field, field_validator

from tsprune.batch.budget import parse_hours
from tsprune.batch.strict_yaml import parse_typed
from tsprune.data import Table, as_options
from tsprune.data.column_names import as_text
from tsprune.errors import UserError, unknown
from tsprune.models import load_checkpoint, read_about
from tsprune.models.base import model_class
from tsprune.parameters import PLUMBING
from tsprune.shown import listed, plain
from tsprune.steps.data import DataSpec
from tsprune.steps.given import GivenStep, checksum
from tsprune.steps.train import TrainStep, train_step
from tsprune.study.base.config import ONCE, SOME, Positive
from tsprune.study.base.sizes import Sizes
from tsprune.study.base.units import scale_of
from tsprune.typed import Between, ZeroToOne

Goal = Literal["latency", "size", "macs"]

CLOSE = 1e-6
"""A checkpoint's mean and std may differ by this share from those of the data: nothing but rounding does."""


_LENGTHS = {"seq_len": "--look-back", "pred_lens": "--horizon"}

_READING = {
    name: f"--{name.replace('_', '-')}"
    for name in ("missing", "date_column", "time_step", "date_order", "encoding", "columns")
}

_SAID = {"seq_len": "look-back", "pred_len": "horizon"}
"""Lengths as messages about the data call them, and in plain words."""


def _of(*values: object) -> Any:
    """The default of a list."""
    return Field(default_factory=lambda: list(values))


class Question(Sizes):
    """The parameters of a compression, with defaults that suit a few minutes on two cores."""

    max_loss: Between
    """Rise of the validation MSE over the dense model's that is accepted, as a share."""
    goal: Goal
    """What is to become small: "latency" of one window, "size" of the file, "macs" (multiply-adds)."""
    checkpoint: str | None = None
    """A trained model to compress; without one it is trained."""
    seq_len: Positive = 96
    label_len: Annotated[int, Field(ge=0)] = 48
    pred_lens: Annotated[list[Positive], Field(min_length=1, max_length=1)] = _of(24)
    models: Annotated[list[str], Field(min_length=1, max_length=1)] = _of("iTransformer")
    d_model: Positive = 128
    n_heads: Positive = 8
    e_layers: Positive = 2
    d_ff: Positive = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    moving_avg: Positive = 25
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    schedule: Literal["constant", "type1", "cosine"] = "cosine"
    batch_size: Positive = 32
    epochs: Positive = 5
    device: Literal["auto", "cpu", "cuda"] = "auto"
    eval_batch_size: Positive = 128
    seeds: Annotated[list[int], Field(min_length=1, max_length=1)] = _of(1)
    fine_tune_epochs: Positive = 3
    fine_tune_learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    fractions: list[float] = _of(1.0)
    widths: Annotated[list[Positive], ONCE] = _of()
    """d_model of the smaller dense models, channels; none: a half and a quarter of d_model, as far as heads fit."""
    narrow_densities: Annotated[list[Between], SOME, ONCE] = _of(0.25, 0.5, 0.1)
    """Shares of its parameters to which the model is narrowed, the most promising first."""
    sparse_densities: Annotated[list[Between], SOME, ONCE] = _of(0.1, 0.2, 0.05)
    """Shares of the prunable weights that single weights are cut to, likewise."""
    distill_weight: ZeroToOne = 0.5
    """Share of the large model's forecasts in the loss of a distilled one; the truth has the rest."""
    timed_threads: Positive = 1
    """Threads of the runtime while it is timed."""

    @field_validator("fractions")
    @classmethod
    def _all_of_the_data(cls, shares: list[float]) -> list[float]:
        if shares != [1.0]:
            raise ValueError("allowed is [1.0]: all training windows are used here")
        return shares

    @field_validator("protocol")
    @classmethod
    def _every_window(cls, protocol: str) -> str:
        if protocol != "full":
            raise ValueError("allowed is 'full': a file is tested on every window, so all it is held against is too")
        return protocol

    def every_width(self) -> list[int]:
        """The widths of the smaller models, the widest first, then that of the model itself."""
        halves = [self.d_model // part for part in (2, 4)]
        fitting = [width for width in halves if width and width % self.n_heads == 0]
        return [*(self.widths or fitting), self.d_model]

    @property
    def model(self) -> str:
        return self.models[0]

    def dense(self, data: DataSpec) -> TrainStep:
        """What everything starts from: the training, or the checkpoint in its place."""
        trained = train_step(data, self.model, self.hyper(), self.recipe(), self.seeds[0])
        if self.checkpoint is None:
            return trained
        hyper = load_checkpoint(self.checkpoint)[0].config.model_dump(mode="json")
        fields = {name: getattr(trained, name) for name in TrainStep.model_fields} | {"hyper": hyper}
        return GivenStep(**fields, checkpoint=self.checkpoint, sha256=checksum(self.checkpoint))

    def does_not_suit(self, table: Table) -> Iterator[str]:
        if table.stands_in_for is not None:
            yield f"{table.stands_in_for} is not available here, and nothing is compressed for stand-in data"
        elif table.pooled:
            yield f"{table.name}: each column is a separate series, so a model of them all has no unit to forecast in"
        elif _is_constant(table):
            yield (
                f"{plain(table.name)}: every column is constant in the training and validation rows; repeating its "
                "value is as good as any model, so there is nothing to compress"
            )
        elif self.checkpoint is not None:
            yield from _other_data(self.checkpoint, table)


def ask(
    data: str,
    *,
    model: str | None,
    max_loss: str,
    goal: str,
    budget: str,
    checkpoint: str | None = None,
    given: Sequence[str] = (),
    **more: object,
) -> Question:
    """The question that a command line asks; ``given``: ``name=value`` of other parameters, ``more``: values of further
    options. Raises :class:`UserError`, one line per problem."""
    if goal not in get_args(Goal):
        raise UserError(f"--for: {unknown('goal', goal, get_args(Goal))}")
    hours = parse_hours(budget, "such as 2h, 30m or 90s")
    if not hours:
        raise UserError("--budget 0: leaves no time to try anything; give 10m or more for a small model")
    asked = {"dataset": data, "max_loss": parse_percent(max_loss), "goal": goal, "budget_hours": hours}
    asked |= {name: value for name, value in more.items() if value is not None}
    if checkpoint is not None:
        if model is not None:
            raise UserError("--model and --checkpoint: give only one; a checkpoint says which model it is")
        for name, option in _LENGTHS.items():
            if name in asked:
                raise UserError(f"{option} and --checkpoint: give only one; the checkpoint already sets it")
        asked |= _of_checkpoint(checkpoint)
    elif model is not None:
        asked["models"] = [model]
    asked |= _said(given, asked)
    if checkpoint is None and isinstance(asked.get("seq_len"), int):
        asked.setdefault("label_len", asked["seq_len"] // 2)  # as 48 is to 96
    try:
        return Question.parse(asked, where="compress")
    except UserError as error:
        typed = f"compress: models = {asked.get('models')}:"
        said = f"--model {plain(model)}" if checkpoint is None else f"--checkpoint {plain(checkpoint, 300)}"
        raise UserError(str(error).replace(typed, f"{said}:")) from None


def command(question: Question) -> str:
    """The command line that asks the question: files by their names, without where they lie here, and nothing of where
    and how it is carried out."""
    given = {} if question.checkpoint is None else _of_checkpoint(question.checkpoint)
    percent = f"{100 * question.max_loss:.4f}".rstrip("0").rstrip(".")
    said = ["--max-loss", f"{percent}%", "--for", question.goal, "--budget", f"{60 * question.budget_hours:.4g}m"]
    if given:
        said += ["--checkpoint", Path(question.checkpoint).name]
    elif question.label_len == question.seq_len // 2:  # as `ask` has it
        given = {"label_len": question.label_len}
    skipped = {"dataset", "max_loss", "goal", *PLUMBING, *given}
    for name, value in question.model_dump(mode="json").items():
        field = Question.model_fields[name]
        if name in skipped or value == field.get_default(call_default_factory=True):
            continue
        if name == "models":
            said += ["--model", value[0]]
        elif name in _LENGTHS:
            said += [_LENGTHS[name], str(value[0] if name == "pred_lens" else value)]
        elif name in _READING:
            said += [_READING[name], as_text(value) if name == "columns" else value]
        else:
            said += ["-p", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(["tsprune", "compress", Path(question.dataset).name, *said])


def in_options(problems: str, given: bool) -> str:
    """Messages about the data with options named as the command line does; lengths, where a checkpoint is ``given``,
    which sets them, in plain words."""
    dashes = "" if given else "--"
    problems = as_options.in_options(problems, keeping="-p raw=true keeps it")
    return re.sub(r"(?<= )(seq_len|pred_len)(?= |,|;|$)", lambda name: f"{dashes}{_SAID[name[1]]}", problems)


def _said(given: Sequence[str], asked: Container[str]) -> dict[str, Any]:
    """What the texts ``name=value`` say, of names that are not ``asked`` already."""
    said: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UserError(f"-p {plain(text)}: expected name=value")
        if name in said:
            raise UserError(f"-p {plain(text)}: {name} is given twice")
        if name in asked:
            raise UserError(f"-p {plain(text)}: {name} is set by its own option or by the checkpoint")
        said[name] = parse_typed(value, f"-p {name}")
    return said


def parse_percent(text: str) -> float:
    """A share, of ``2%`` or ``0.5%``. Raises :class:`UserError` for anything else, and for none or all."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?)\s?%", text)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share < 1:
        raise UserError(f"--max-loss {plain(text)}: expected a percentage above 0 and below 100, such as 2% or 0.5%")
    return share


def _of_checkpoint(path: str) -> dict:
    """The parameters that a checkpoint says."""
    model, masks = load_checkpoint(path)
    config = model.config.model_dump(mode="json")
    fresh = model_class(model.name)(model.config)
    # A model that was trained on dense has masks, of which none takes a weight.
    cut = not all(mask.all() for mask in masks.values())
    if cut or any(a.shape != b.shape for a, b in zip(fresh.parameters(), model.parameters(), strict=True)):
        raise UserError(f"{path}: this model is already pruned; give the dense model that it was made from")
    said = {name: config[name] for name in Question.model_fields.keys() & config.keys()}
    return said | {"models": [model.name], "pred_lens": [config["pred_len"]], "checkpoint": str(Path(path).absolute())}


def _is_constant(table: Table) -> bool:
    """Whether there is no error on the validation rows that a loss could be a share of."""
    rows = table.values[: table.split.borders(len(table.values))[1][1]]
    return bool((rows == rows[:1]).all())


def _other_data(path: str, table: Table) -> Iterator[str]:
    """Why a checkpoint was not made for this table."""
    about = read_about(path)
    if about is None or not about.columns:
        yield f"{path}: the checkpoint does not say columns, mean and std; save it with About(columns=..., ...)"
    elif about.columns != tuple(table.columns):
        there = f"; take these with columns={list(about.columns)}" if {*about.columns} <= {*table.columns} else ""
        yield (
            f"{path}: the checkpoint reads {listed(list(about.columns))}; {plain(table.name)} has "
            f"{listed(list(table.columns))}{there}"
        )
    else:
        mean = table.values[slice(*table.split.borders(len(table.values))[0])].mean(0)
        if not all(np.allclose(*pair, CLOSE, CLOSE) for pair in ((about.mean, mean), (about.std, scale_of(table)))):
            yield (
                f"{path}: the checkpoint was trained on other rows: its columns' mean and std are not those of the "
                f"training rows of {plain(table.name)}; give the file that it was trained on"
            )
