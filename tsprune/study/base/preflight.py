"""Checks of parameters that need the data and the machine: made before anything runs."""

from collections.abc import Iterator

from tsprune.data import Table, window_starts
from tsprune.engine import cluster
from tsprune.errors import UserError
from tsprune.study.base.config import StudyConfig
from tsprune.study.base.shared import Tables
from tsprune.training import resolve_device


def check(config: StudyConfig, tables: Tables) -> None:
    """Load every dataset of the study (``tsprune data check`` says the same of it), count its windows, look for the
    device. Raises :class:`UserError` with a line per problem, all at once."""
    if found := list(dict.fromkeys(problems(config, tables))):
        raise UserError("\n".join(found))


def problems(config: StudyConfig, tables: Tables) -> Iterator[str]:
    """A line per problem, some more than once."""
    if config.executor == "dask":
        yield from cluster.problems(config.scheduler)
    if config.budget_hours != 0:  # a page of rows that are there needs no device
        try:
            resolve_device(config.device)
        except UserError as error:
            yield from _lines(error)
    for dataset in config.every_dataset():
        yield from _of_data(config.on(dataset), tables, own=dataset == config.dataset)


def _of_data(config: StudyConfig, tables: Tables, own: bool) -> Iterator[str]:
    try:
        table = tables.of(config)
    except UserError as error:
        yield from _lines(error)
        return
    if own:
        yield from config.does_not_suit(table)
    for pred_len in config.pred_lens:
        lengths = {name: getattr(config, name) for name in ("seq_len", "label_len", "eval_stride")}
        try:
            starts, _ = window_starts(table, pred_len=pred_len, **lengths)
        except UserError as error:
            yield from _lines(error)
        else:
            yield from _of_batches(config, table, {split: len(first) for split, first in starts.items()}, pred_len)


def _of_batches(config: StudyConfig, table: Table, windows: dict[str, int], pred_len: int) -> Iterator[str]:
    """Under ``as_published`` the last incomplete batch is dropped: one batch at least must be full."""
    if config.protocol != "as_published":
        return
    for split in ("val", "test"):
        if windows[split] < config.eval_batch_size:
            yield (
                f"eval_batch_size = {config.eval_batch_size}: {table.name} has {windows[split]} windows in the {split} "
                f"split at pred_len = {pred_len}, not one full batch, and protocol = 'as_published' drops the others"
            )


def _lines(error: UserError) -> list[str]:
    return str(error).splitlines()
