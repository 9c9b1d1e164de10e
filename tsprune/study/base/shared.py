"""What every study starts from: the data, naive forecasts, dense trainings."""

from collections.abc import Iterable
from dataclasses import dataclass

from tsprune.data import Table
from tsprune.errors import UserError
from tsprune.models import list_models, narrows
from tsprune.report.text import literal
from tsprune.steps.data import DataSpec
from tsprune.steps.train import NaiveStep, TrainStep, train_step
from tsprune.study.base.config import StudyConfig
from tsprune.typed import canonical_json


@dataclass(frozen=True)
class Base:
    """The steps that every study shares: naive forecasts per horizon, dense trainings per horizon, model and seed."""

    table: Table
    specs: tuple[DataSpec, ...]
    naive: tuple[NaiveStep, ...]
    dense: tuple[TrainStep, ...]


def naive_models(table: Table, seq_len: int) -> dict[str, dict]:
    """The naive forecasts that can be made, and what they need: the seasonal one a season within the look-back."""
    found: dict[str, dict] = {model: {} for model in list_models(trainable=False)}
    found["SeasonalNaive"] = {"season": table.season}
    if not 1 < table.season <= seq_len:
        del found["SeasonalNaive"]
    return found


class Tables:
    """Datasets as studies read them, each loaded once; one that cannot be is refused each time it is asked for."""

    def __init__(self) -> None:
        self._found: dict[str, Table | UserError] = {}

    def of(self, config: StudyConfig) -> Table:
        """The table of ``config.dataset``. Raises :class:`UserError`, a line per problem."""
        how = canonical_json([config.dataset, config.reading()])
        if how not in self._found:
            try:
                self._found[how] = config.load_data()
            except UserError as error:
                self._found[how] = error
        if isinstance(self._found[how], UserError):
            raise self._found[how]
        return self._found[how]


def base_steps(config: StudyConfig, tables: Tables | None = None) -> Base:
    """Load the data, unless ``tables`` has them, and name the shared steps; nothing is run."""
    table = (tables or Tables()).of(config)
    specs = tuple(config.data_spec(table, pred_len) for pred_len in config.pred_lens)
    recipe = config.recipe()
    return Base(
        table=table,
        specs=specs,
        naive=tuple(
            NaiveStep(data=spec, model=model, train=recipe, hyper=hyper)
            for spec in specs
            for model, hyper in naive_models(table, config.seq_len).items()
        ),
        dense=tuple(
            train_step(spec, model, config.hyper(), recipe, seed)
            for spec in specs
            for model in config.models
            for seed in config.seeds
        ),
    )


def further_bases(first: Base, others: Iterable[Base]) -> tuple[tuple[Base, ...], tuple[str, ...]]:
    """Those of ``others`` whose data are another dataset's than all before, ``first`` too; a note, as Markdown, per
    dataset that could not be had."""
    seen, found, notes = {first.table.fingerprint}, [], []
    for base in others:
        if base.table.stands_in_for is not None:
            notes.append(f"{literal(base.table.stands_in_for)} is not available here and is left out.")
        elif base.table.fingerprint not in seen:
            seen.add(base.table.fingerprint)
            found.append(base)
    return tuple(found), tuple(notes)


def no_season(table: Table, seq_len: int) -> tuple[str, ...]:
    """Why there is no seasonal naive forecast, as a line; empty if there is one."""
    if "SeasonalNaive" in naive_models(table, seq_len):
        return ()
    if table.season == 1:
        return (f"no seasonal naive forecast: no season is known of steps of {table.time_step}",)
    return (f"no seasonal naive forecast: a season has {table.season} time steps, the look-back {seq_len}",)


def models_to_narrow(base: Base) -> set[str]:
    """The models with a width that structured pruning may narrow."""
    return {name for name in {trained.model for trained in base.dense} if narrows(name)}
